import math
import random
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ray.tune.schedulers import AsyncHyperBandScheduler, TrialScheduler

from pipeline.sweep.asha import Rungs

NUMBERS = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40)


@pytest.mark.parametrize("mode", ["min", "max"])
@given(scores=NUMBERS, factor=st.integers(2, 4))
def test_decisions_are_those_of_tunes_own_scheduler(mode, scores, factor):
    theirs = AsyncHyperBandScheduler(
        time_attr="time", metric="score", mode=mode, max_t=factor, grace_period=1,
        reduction_factor=factor, stop_last_trials=False,
    )  # fmt: skip
    ours = Rungs(2, factor, mode)
    for number, score in enumerate(scores):
        trial = SimpleNamespace(trial_id=str(number))
        theirs.on_trial_add(None, trial)
        answer = theirs.on_trial_result(None, trial, {"time": 1, "score": score})
        assert ours.keeps(number, 0, score) == (answer == TrialScheduler.CONTINUE)


@given(scores=st.lists(st.floats(-1e6, 1e6), min_size=30, max_size=30, unique=True))
def test_the_best_so_far_always_goes_on(scores):
    rungs = Rungs(3, 3, "min")
    for number, score in enumerate(scores):
        assert rungs.keeps(number, 0, score) or score > min(scores[: number + 1])


def test_about_one_in_three_goes_on():
    rng = random.Random(0)
    rungs = Rungs(2, 3, "max")
    kept = sum(rungs.keeps(number, 0, rng.random()) for number in range(600))
    assert 170 < kept < 240


def test_nobody_is_stopped_at_the_last_rung():
    rungs = Rungs(2, 2, "min")
    rungs.keeps(0, 1, 1.0)
    assert rungs.keeps(1, 1, 2.0)
    assert rungs.keeps(2, 1, math.nan)


def test_what_is_no_number_is_stopped_and_lets_others_pass():
    rungs = Rungs(2, 2, "min")
    assert not rungs.keeps(0, 0, math.nan)
    assert not rungs.keeps(1, 0, math.inf)
    assert rungs.keeps(2, 0, 5.0)


def test_a_trial_that_reports_a_rung_again_counts_once():
    rungs, twice = Rungs(2, 2, "min"), Rungs(2, 2, "min")
    for number, score in enumerate([3.0, 1.0, 2.0]):
        rungs.add(number, 0, score)
        twice.add(number, 0, score)
        twice.add(number, 0, score)
        assert twice.keeps(number, 0, score) == rungs.keeps(number, 0, score)
    assert rungs.keeps(9, 0, 1.9) == twice.keeps(9, 0, 1.9)
