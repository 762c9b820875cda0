"""Sweeps over a stage of a few lines, on a real Ray: scheduling, resuming, signals, MLflow."""

import json
import signal
import sys

import pytest
from toy_sweep import QUALITIES, Sweep, num_runs, runs_of, wait_for

from pipeline.jobs.head import local_head


def test_mistakes_end_before_any_ray(project):
    sweep = Sweep(project, space={"toy.qualty": {"grid": [1]}})
    out, err = sweep.run(code=2)
    assert out == ""
    assert err == "toy.qualty is no parameter (its value is 1); did you mean quality?\n"


@pytest.mark.slow
@pytest.mark.cluster
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
def test_after_kill_9_only_what_is_left_runs(project):
    project.set_up("work", machines=0)
    sweep = Sweep(project, concurrent=1)
    sweep.write(space={"toy.quality": {"grid": QUALITIES[:3]}, "toy.seconds": 0.7, "toy.total": 6})
    process = sweep.start()
    reached = sweep.root.glob
    assert wait_for(lambda: any(reached("state/sweep/*/trial-001/state/toy")))
    process.kill()
    process.communicate()
    assert wait_for(lambda: not project.processes())
    assert sweep.calls() == ["0-6", "0-6"]
    first = next(reached("state/sweep/*/trial-000/events.jsonl")).read_bytes()

    out, _ = sweep.run()
    assert "3 trials, 1 are over" in out
    begun, resumed, new = sweep.calls()
    assert (begun, new) == ("0-6", "0-6")
    assert resumed.startswith("0-6 ")
    assert int(resumed.removeprefix("0-6 ").removesuffix("-6")) > 0
    assert next(reached("state/sweep/*/trial-000/events.jsonl")).read_bytes() == first
    assert sweep.table()["outcome"].tolist() == ["finished"] * 3
    assert sweep.winner()["trial"] == 1
    client, trials = runs_of(sweep.root, "trial")
    assert {run.data.tags["trial"]: run.info.status for run in trials} == {
        "0": "FINISHED", "1": "FINISHED", "2": "FINISHED"
    }  # fmt: skip
    for run in trials:
        history = client.get_metric_history(run.info.run_id, "toy/loss")
        assert [point.step for point in history] == [100, 200, 300, 400, 500, 600]
    assert wait_for(lambda: not project.processes())


@pytest.fixture(scope="module")
def head(quiet_environ):
    with local_head(min_cpus=4) as head:
        yield head


@pytest.mark.slow
@pytest.mark.cluster
class TestOnOneHead:
    def test_rising_budgets_stop_the_worse_and_more_budget_continues_the_better(
        self, project, head
    ):
        project.set_up("work", machines=0)
        asha = {"budgets": {"toy.total": [2, 4]}, "reduction_factor": 2}
        sweep = Sweep(project, concurrent=1, asha=asha)
        sweep.write(space={"toy.quality": {"grid": [3, 1, 4, 2]}})
        out, _ = sweep.run()
        assert sweep.calls() == ["0-2 2-4", "0-2 2-4", "0-2", "0-2 2-4"]
        assert sweep.table()["outcome"].tolist() == ["finished", "finished", "stopped", "finished"]
        assert sweep.table().loc[1, "toy/loss"] == sweep.winner()["score"] == 1.25
        assert sweep.winner()["overrides"] == ["++toy.quality=1", "++toy.total=4"]
        assert "this goes to the log" not in out
        assert "stopped at rung 1 of 2: toy/loss 4.5  toy.quality=4" in out
        assert not (sweep.root / "state" / "toy").exists()

        sweep.write(asha={"budgets": {"toy.total": [2, 4, 8]}, "reduction_factor": 2})
        sweep.run()
        assert sweep.calls()[1:3] == ["0-2 2-4 4-8", "0-2"]
        assert sweep.winner()["overrides"] == ["++toy.quality=1", "++toy.total=8"]
        client, sweeps = runs_of(sweep.root, "stage")
        assert [run.info.status for run in sweeps] == ["FINISHED"]
        client, trials = runs_of(sweep.root, "trial")
        assert len(trials) == 4
        best = next(run for run in trials if run.data.tags["trial"] == "1")
        assert best.data.tags["mlflow.parentRunId"] == sweeps[0].info.run_id
        assert best.data.params["toy.quality"] == "1"
        scores = client.get_metric_history(best.info.run_id, "score")
        assert [(point.step, point.value) for point in scores] == [
            (200, 1.5),
            (400, 1.25),
            (800, 1.125),
        ]
        images = client.list_artifacts(best.info.run_id, "images")
        assert len([image for image in images if image.path.endswith(".png")]) == 3
        names = {each.path for each in client.list_artifacts(sweeps[0].info.run_id)}
        assert names >= {"best.png", "parallel.svg", "trials.csv", "winner.json"}

    def test_a_running_stage_is_stopped_at_its_number_of_images(self, project, head):
        project.set_up("work", machines=0)
        sweep = Sweep(project, concurrent=1, asha={"nimg": [200], "reduction_factor": 2})
        space = {"toy.quality": {"grid": QUALITIES[:3]}, "toy.seconds": 1.0, "toy.total": 6}
        sweep.write(space=space)
        sweep.run()
        assert sweep.calls() == ["0-6"] * 3
        states = [path.read_text() for path in sorted(sweep.root.glob("state/sweep/*/*/state/toy"))]
        assert states[:2] == ["6", "6"]
        assert states[2] < "6"
        assert sweep.table()["outcome"].tolist() == ["finished", "finished", "stopped"]
        assert sweep.table()["rung1"].tolist() == [5.5, 1.5, 4.5]

    def test_trials_may_watch_over_several_workers(self, project, head):
        project.set_up("work", processes=2)
        sweep = Sweep(project, concurrent=1, asha={"nimg": [200], "reduction_factor": 2})
        space = {"toy.quality": {"grid": [1, 2, 3]}, "toy.seconds": 1.0, "toy.total": 6}
        sweep.write(space=space)
        sweep.run()
        assert sweep.table()["outcome"].tolist() == ["finished", "stopped", "stopped"]
        second = next(sweep.root.glob("state/sweep/*/trial-001/state/toy"))
        assert second.read_text() < "6"  # its workers ended with it, long before the sweep
        _, trials = runs_of(sweep.root, "trial")
        best = next(run for run in trials if run.data.tags["trial"] == "0")
        assert best.data.metrics["toy/world"] == 2

    def test_failed_trials_are_told_and_do_not_end_the_sweep(self, project, head):
        project.set_up("work", machines=0)
        acts = ["mistake", "work", "bug", "die", "die_once"]
        sweep = Sweep(project, concurrent=2, space={"toy.act": {"grid": acts}})
        out, err = sweep.run()
        assert "failed: toy.act must be work, is mistake; change it" in out
        assert "failed: IndexError: pop from empty list; see " in out
        assert "failed: its process ended 3 times without a word" in out
        assert "Traceback" not in out + err
        assert sweep.calls()[3:] == ["0-4 0-4 0-4", "0-4 2-4"]
        assert sweep.winner()["trial"] == 1
        log = next(sweep.root.glob("state/sweep/*/trial-002/log.txt")).read_text()
        assert "Traceback" in log
        assert "this goes to the log of the trial" in log
        _, trials = runs_of(sweep.root, "trial")
        statuses = {run.data.tags["trial"]: run.info.status for run in trials}
        ends = ["FAILED", "FINISHED", "FAILED", "FAILED", "FINISHED"]
        assert statuses == {str(number): end for number, end in enumerate(ends)}

    def test_a_mistake_that_all_trials_share_ends_the_sweep_at_the_first(self, project, head):
        project.set_up("work", machines=0)
        sweep = Sweep(project, concurrent=1, metric="toy/los")
        sweep.write(space={"toy.quality": {"grid": [1, 2, 3, 4, 5]}})
        out, _ = sweep.run(code=1)
        assert "toy/los is not; it reports loss" in out
        assert "all trials would fail like trial 0" in out
        assert len(sweep.calls()) == 1
        assert not (sweep.root / "reports" / "sweep" / "winner.json").exists()

    def test_two_sweeps_run_at_once_in_one_project(self, project, head):
        project.set_up("work", machines=0)
        sweep = Sweep(project, concurrent=1)
        sweep.write(space={"toy.quality": {"grid": [1, 2]}, "toy.act": "wait"})
        plan = sweep.plan | {"space": {"toy.quality": {"grid": [3]}}}
        YAML().dump(plan, sweep.root / "other.yaml")
        first = sweep.start()
        assert wait_for(lambda: any(sweep.root.glob("state/sweep/*/trial-000/calls")))
        twice = sweep.start()
        out, err = twice.communicate(timeout=1800)
        assert twice.returncode == 2, out + err
        assert "the sweep sweep runs in this folder already" in err
        second = sweep.start("other.yaml")
        out, err = second.communicate(timeout=1800)
        assert second.returncode == 0, out + err
        assert first.poll() is None
        (sweep.root / "go").touch()
        out, err = first.communicate(timeout=1800)
        assert first.returncode == 0, out + err
        assert sweep.winner()["overrides"][0] == "++toy.quality=1"
        other = json.loads((sweep.root / "reports" / "sweep-other" / "winner.json").read_text())
        assert other["overrides"] == ["++toy.quality=3"]
        _, sweeps = runs_of(sweep.root, "stage")
        notes = {run.data.tags["stage"]: run.data.tags["mlflow.note.content"] for run in sweeps}
        assert notes.keys() == {"sweep", "sweep-other"}
        assert "|     0 |".replace(" ", "") in notes["sweep"].replace(" ", "")

    def test_time_is_up(self, project, head):
        project.set_up("work", machines=0)
        sweep = Sweep(project, minutes=0.2)
        sweep.write(space={"toy.quality": {"grid": [1, 2]}, "toy.seconds": 1.0, "toy.total": 18})
        out, _ = sweep.run(code=1)
        assert "0 of 2 trials ended; the same command goes on" in out
        sweep.write(minutes=5)
        sweep.run()
        assert sweep.table()["outcome"].tolist() == ["finished", "finished"]
        assert not sweep.calls()[0].endswith(" 0-18")

    def test_the_first_signal_stops_the_sweep(self, project, head):
        project.set_up("work", machines=0)
        sweep = Sweep(project, concurrent=2)
        sweep.write(space={"toy.quality": {"grid": [1, 2]}, "toy.seconds": 60})

        def statuses() -> list[str]:
            levels = [runs_of(sweep.root, level)[1] for level in ("stage", "trial")]
            return [run.info.status for runs in levels for run in runs]

        process = sweep.start()
        assert wait_for(lambda: num_runs(sweep.root) == 4)  # two trials, sweep, reproduction
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=1800)
        assert process.returncode == 128 + signal.SIGINT
        assert "stopping" in err
        assert wait_for(lambda: statuses() == ["KILLED"] * 3), statuses()
