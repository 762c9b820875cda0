"""Whatever ends a training process, the next one goes on to the same bits."""

import math
import random
import shutil
import signal
import time

import pytest

from mimic3d.networks.snapshot import load_meta

KILLS = 20
pytestmark = [pytest.mark.slow, pytest.mark.cluster]


def test_20_kills_at_random_moments_leave_no_trace(project, trainings, tmp_path, record_property):
    trainings.set_up(project, total_kimg=0.8)
    trainings.run(shutil.copytree(project, tmp_path / "warm-up"), total_kimg=0.008)
    straight = shutil.copytree(project, tmp_path / "straight")
    process, begun = trainings.start(straight), time.monotonic()
    while not trainings.states(straight):
        assert process.exitcode is None, (straight / "log").read_text()
        time.sleep(0.01)
    until_state = time.monotonic() - begun
    process.join()
    assert process.exitcode == 0

    dice, reached, drafts = random.Random(0), [], 0
    for _ in range(KILLS):
        before = trainings.states(project)
        process, begun = trainings.start(project), time.monotonic()
        patience = dice.choice([dice.uniform(0, until_state), math.inf])
        while time.monotonic() < begun + patience and trainings.states(project) == before:
            assert process.exitcode is None, (project / "log").read_text()
            time.sleep(0.002)
        process.join(dice.uniform(0, 0.3))  # at most one more state: the training must not end
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL, (project / "log").read_text()
        reached += trainings.states(project)[-1:]
        drafts += len(list((project / "state").glob("pretrain/*/.*part*")))
    assert len(set(reached)) >= 5, reached
    assert not (project / "runs").exists()
    assert trainings.run(project) == 0, (project / "log").read_text()
    assert trainings.results(project) == trainings.results(straight)
    record_property("states at the kills", reached)
    record_property("kills while a state was being written", drafts)


def test_sigterm_saves_a_state_between_two_ticks_and_costs_no_step(project, trainings, tmp_path):
    trainings.set_up(project, total_kimg=0.16, tick_kimg=0.08)
    straight = shutil.copytree(project, tmp_path / "straight")
    assert trainings.run(straight) == 0
    stops = []
    for _ in range(3):
        process = trainings.start(project)
        before = trainings.states(project)
        pictures = project / "state" / "pretrain"
        while not list(pictures.glob("*/samples/nimg-000000000.png")):  # it begins its first step
            assert process.exitcode is None, (project / "log").read_text()
            time.sleep(0.005)
        time.sleep(0.6)
        process.terminate()
        process.join(60)
        saved, idle, still_importing = 75, 128 + signal.SIGTERM, -signal.SIGTERM
        expected = (saved, idle, still_importing)  # resumed runs may be slower than the pause
        assert process.exitcode in expected, (project / "log").read_text()
        stops += [name for name in trainings.states(project) if name not in before]
    assert stops
    assert set(stops) - {"nimg-000000080", "nimg-000000160"}, stops
    assert "the same command goes on from there" in (project / "log").read_text()
    assert trainings.run(project) == 0
    assert trainings.results(project) == trainings.results(straight)
    assert load_meta(project / "runs/pretrain/snapshot").nimg == 160
