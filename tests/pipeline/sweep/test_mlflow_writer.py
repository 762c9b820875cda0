import pytest

from pipeline.sweep.event_log import EventLog, EventLogAddress
from pipeline.sweep.mlflow_writer import HEADING, NOTE, MlflowWriter
from pipeline.sweep.plan import SweepPlan
from pipeline.sweep.sweep_store import resume_store, write_plan
from pipeline.tracking.mlflow_runs import connect, open_run

PLAN = SweepPlan.model_validate(
    {"stages": ["a"], "metric": "a/loss", "num_trials": 2, "space": {"a.x": {"uniform": [0, 1]}}}
)


@pytest.fixture
def store(tmp_path):
    (tmp_path / "data").mkdir()
    write_plan(tmp_path / "state", PLAN)
    return resume_store(tmp_path / "state")


def run_trial(store, root, score: float) -> None:
    number = store.add_trial({"a.x": score / 10}, root)
    tracker = EventLogAddress(str(store.trial_folder(number)), "a", 0).open_tracker()
    tracker.log_metrics({"loss": score}, 100)
    EventLog(store.trial_folder(number)).append("done", stage="a", rung=0)
    store.report(number, 0, score)
    store.end(number, "finished")


@pytest.mark.slow
def test_the_table_is_the_description_unless_a_person_wrote_one(store, tmp_path, quiet_environ):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    address = open_run(uri, tmp_path / "artifacts", "sweep", "reproduction", "key", {})

    def write() -> str:
        writer = MlflowWriter(store, lambda: address)
        for trial in store.trials():
            writer.end(trial)
        writer.close()
        return connect(uri).get_run(address.run_id).data.tags[NOTE]

    run_trial(store, tmp_path, 3.0)
    assert write().splitlines()[0] == HEADING
    run_trial(store, tmp_path, 2.0)
    rows = [line.split()[1::2] for line in write().splitlines()[4:]]
    assert rows == [["1", "1/1", "finished", "2", "0.2"], ["0", "1/1", "finished", "3", "0.3"]]
    connect(uri).set_tag(address.run_id, NOTE, "the good one")
    assert write() == "the good one"
    experiment = connect(uri).get_run(address.run_id).info.experiment_id
    trials = connect(uri).search_runs([experiment], "tags.level = 'trial'")
    assert sorted(run.data.metrics["score"] for run in trials) == [2.0, 3.0]
    assert {run.info.status for run in trials} == {"FINISHED"}
