import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.sweep.asha import should_continue

NUMBERS = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=12)


def decisions(scores, factor, mode) -> list[bool]:
    """Of trials that come to a rung one after the other."""
    return [
        should_continue(dict(enumerate(scores[: number + 1])), number, factor, mode)
        for number in range(len(scores))
    ]


@pytest.mark.parametrize("mode", ["min", "max"])
@settings(max_examples=25)
@given(scores=NUMBERS, factor=st.integers(2, 4))
def test_a_trial_goes_on_if_it_is_among_the_best_so_far(mode, scores, factor):
    sign = 1 if mode == "min" else -1
    for number, is_kept in enumerate(decisions(scores, factor, mode)):
        better = sum(sign * other < sign * scores[number] for other in scores[: number + 1])
        num_kept = max(1, (number + 1) // factor)
        assert is_kept == (better < num_kept)


def test_about_one_in_three_goes_on():
    rng = random.Random(0)
    kept = sum(decisions([rng.random() for _ in range(90)], 3, "max"))
    assert 20 <= kept <= 40


def test_no_number_is_stopped_and_lets_others_pass():
    assert decisions([math.nan, math.inf, 5.0], 2, "min") == [False, False, True]


@settings(max_examples=10)
@given(scores=NUMBERS, seed=st.integers(0, 100))
def test_a_decision_depends_on_the_scores_and_not_on_their_order(scores, seed):
    known = dict(enumerate(scores))
    shuffled = list(known.items())
    random.Random(seed).shuffle(shuffled)
    for number in known:
        first = should_continue(known, number, 2, "min")
        assert should_continue(dict(shuffled), number, 2, "min") == first
