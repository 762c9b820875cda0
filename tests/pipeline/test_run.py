import signal
import sys
import tempfile
import time

import pytest

from pipeline.jobs.head import local_head
from pipeline.tracking.mlflow_runs import connect


def wait_for(condition, seconds: float = 900.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.2)
    return condition()


def stage_runs(root):
    client = connect(f"sqlite:///{root}/mlflow.db")
    experiment = client.get_experiment_by_name("mimic3d").experiment_id
    return client.search_runs([experiment], "tags.level = 'stage'")


def statuses(root):
    return [run.info.status for run in stage_runs(root)]


def test_mistakes_in_params_end_before_any_ray(project):
    (project.root / "params.yaml").write_text("toy:\n  acts: work\n")
    code, out, err = project.run()
    assert (code, out) == (2, "")
    assert err == "toy.acts is no parameter (its value is 'work'); did you mean act?\n"


def test_an_unknown_stage_is_named(project, monkeypatch):
    (project.root / "params.yaml").write_text("other: {}\ntoi: {}\n")
    (project.root / "stages" / "toi.py").touch()
    code, _, err = project.run()
    reason = "there is no stage toy, a module of stages/ with a section in params.yaml"
    assert (code, err) == (2, f"{reason}; there are toi\n")


@pytest.mark.slow
def test_nobody_at_the_address_is_told_in_one_sentence(project):
    project.set_up("work", address="http://127.0.0.1:9")
    yaml = (project.root / "cluster.yaml").read_text()
    (project.root / "cluster.yaml").write_text(yaml.replace("prepare:", "toy:", 1))
    code, out, err = project.run()
    assert code == 1
    assert "http://127.0.0.1:9 (cluster.yaml)" in out
    assert "no Ray answers at http://127.0.0.1:9" in err
    assert "Traceback" not in err


@pytest.mark.slow
def test_a_stage_on_a_head_of_its_own_leaves_nothing_behind(project, monkeypatch):
    project.set_up("work", machines=0)
    with tempfile.TemporaryDirectory(prefix="m") as short:  # Ray's sockets take 107 characters
        monkeypatch.setenv("TMPDIR", short)
        code, out, err = project.run()
    assert code == 0, out + err
    assert "a head of its own" in out
    assert "toy work world 1 sum 1" in out
    assert "done: 2 of 2" in err
    assert (project.root / "out").read_text() == "done"
    assert statuses(project.root) == ["FINISHED"]
    assert wait_for(lambda: not project.processes())


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
def test_a_killed_submitter_takes_its_own_head_along(project):
    project.set_up("sleep", machines=0)
    process = project.start()
    assert wait_for((project.root / "asleep").exists)
    process.kill()
    process.communicate()
    assert wait_for(lambda: not project.processes())


@pytest.fixture(scope="module")
def head(quiet_environ):
    with local_head(min_cpus=2) as head:
        yield head


@pytest.mark.slow
class TestOnOneHead:
    def test_two_workers_share_a_process_group(self, project, head):
        project.set_up("work", processes=2)
        code, out, err = project.run()
        assert code == 0, out + err
        assert "the head of this reproduction" in out
        assert out.count("toy work world 2 sum 2") == 2
        (run,) = stage_runs(project.root)
        assert run.data.metrics == {"loss/G": 0.25}
        assert run.data.params == {"toy.act": "work"}

    def test_a_killed_worker_is_replaced_and_the_stage_resumes(self, project, head):
        project.set_up("die_once")
        code, out, err = project.run()
        assert code == 0, out + err
        assert "a worker process died; starting again from its last state" in out + err
        assert (project.root / "out").exists()
        (run,) = stage_runs(project.root)
        assert run.info.status == "FINISHED"

    def test_a_mistake_is_one_sentence_and_is_not_repeated(self, project, head):
        project.set_up("mistake")
        code, out, err = project.run()
        assert code == 1
        assert out.count("toy.act must be work, is mistake; change it") == 1
        assert "Traceback" not in out + err
        assert out.count("toy mistake world") == 1
        assert statuses(project.root) == ["FAILED"]

    def test_a_bug_shows_where_it_is(self, project, head):
        project.set_up("bug", machines=0)
        code, out, _ = project.run()
        assert code == 1
        assert "stages/toy.py" in out
        assert "RuntimeError" in out

    @pytest.mark.parametrize("machines", [0, 1])
    def test_the_first_signal_stops_the_job(self, project, head, machines):
        project.set_up("sleep", machines=machines)
        process = project.start()
        assert wait_for((project.root / "asleep").exists)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=1800)
        assert process.returncode == 128 + signal.SIGINT
        assert "stopping" in err
        assert wait_for(lambda: statuses(project.root) == ["KILLED"])
        assert wait_for(lambda: not project.processes_of_stage())
