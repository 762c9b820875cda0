"""One standing Ray, as a cluster would be: status, detached and tied jobs, logs, secrets."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline.cluster import LOCAL, Address
from pipeline.jobs.head import local_head
from pipeline.jobs.jobs_api import find_token, list_jobs
from pipeline.tracking.mlflow_runs import connect

PLANTED = "planted-secret-value"


def wait_for(condition, seconds: float = 900.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.2)
    return condition()


@pytest.fixture(scope="module")
def cluster(quiet_environ):
    """A head that stages take for somebody else's, which goes on without them."""
    with local_head(min_cpus=2) as head, pytest.MonkeyPatch.context() as environ:
        environ.delenv(LOCAL)
        environ.setenv("MLFLOW_TRACKING_PASSWORD", PLANTED)
        environ.setenv("MY_API_KEY", PLANTED)
        yield head.address.url


@pytest.fixture
def site(project, cluster):
    """A project whose stage `toy` may run on that cluster, in the job's own process."""

    def set_up(act, **arguments):
        project.set_up(act, **arguments)
        yaml = YAML()
        content = yaml.load(project.root / "cluster.yaml")
        content["metadata"]["pipeline"]["stages"] = content["metadata"]["pipeline"]["local"]
        yaml.dump(content, project.root / "cluster.yaml")
        return project

    return set_up


def call(project, module, *arguments):
    command = [sys.executable, "-m", f"pipeline.{module}", *arguments]
    return subprocess.run(command, cwd=project.root, capture_output=True, text=True, timeout=1800)


def status(project):
    done = call(project, "status", "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def jobs(project, url):
    found = list_jobs(Address(url, "test", is_local=False), find_token(os.environ))
    return [job for job in found if job["metadata"]["root"] == str(project.root)]


@pytest.mark.slow
@pytest.mark.cluster
def test_a_killed_submitter_takes_its_job_along(site, cluster):
    project = site("sleep", machines=0)
    process = project.start()
    assert wait_for((project.root / "asleep").exists)
    assert wait_for(lambda: status(project)[0]["progress"])
    (row,) = status(project)
    assert (row["stage"], row["state"], row["attempt"]) == ("toy", "running", 1)
    assert row["progress"] == {"done": 1, "total": 2, "text": "halfway"}
    assert row["node"]
    assert row["ray_link"].startswith(f"{cluster}/#/jobs/toy-")

    process.kill()
    process.communicate()
    assert wait_for(lambda: jobs(project, cluster)[0]["status"] == "STOPPED")
    assert wait_for(lambda: not project.processes_of_stage())
    assert wait_for(lambda: status(project)[0]["state"] == "killed")
    log = Path(status(project)[0]["log"]).read_text()
    assert "toy sleep world 1 sum 1" in log
    assert "@progress" not in log


@pytest.mark.slow
@pytest.mark.cluster
def test_a_detached_job_goes_on_and_is_followed_later(site, cluster):
    project = site("nap", machines=0)
    done = call(project, "run", "toy", "--detach")
    assert done.returncode == 0, done.stderr
    assert "dvc commit --force toy" in done.stdout
    assert wait_for((project.root / "asleep").exists)
    refused = call(project, "repro")
    assert refused.returncode == 2
    assert "toy runs detached, or has run, as job toy-" in refused.stderr

    watcher = project.start()
    assert "on Ray at" in watcher.stdout.readline()
    assert "attached to its job toy-" in watcher.stdout.readline()
    assert "toy nap world 1" in "".join(
        iter(watcher.stdout.readline, "environment MY_API_KEY: no\n")
    )
    watcher.send_signal(signal.SIGINT)
    watcher.communicate(timeout=1800)
    assert watcher.returncode == 128 + signal.SIGINT
    (job,) = jobs(project, cluster)
    assert job["status"] == "RUNNING"

    (project.root / "wake").touch()
    assert wait_for(lambda: jobs(project, cluster)[0]["status"] == "SUCCEEDED")
    code, out, err = project.run()  # it has ended, and its end is seen now
    assert code == 0, err
    assert f"attached to its job {job['submission_id']}" in out
    assert "toy nap world 1" in out
    assert len(jobs(project, cluster)) == 1
    assert not (project.root / ".pipeline" / "detached" / "toy.json").exists()


@pytest.mark.slow
@pytest.mark.cluster
def test_every_attempt_has_its_log_and_secrets_stay_at_home(site, cluster):
    project = site("bug", machines=0)
    code, out, err = project.run()
    assert code == 1
    code, out, err = project.run()
    (row,) = status(project)
    assert (row["state"], row["attempt"]) == ("failed", 2)
    client = connect(f"sqlite:///{project.root}/mlflow.db")
    run = client.get_run(row["mlflow_link"].rpartition("/")[2])
    kept = sorted(artifact.path for artifact in client.list_artifacts(run.info.run_id, "logs"))
    assert [path.rpartition("-")[2] for path in kept] == ["1.log", "2.log"]
    assert run.data.tags["log"] == kept[1]
    assert run.data.tags["ray.job"] in {job["submission_id"] for job in jobs(project, cluster)}
    texts = [Path(client.download_artifacts(run.info.run_id, path)).read_text() for path in kept]
    assert all("stages/toy.py" in text and "RuntimeError" in text for text in texts)

    assert "environment MLFLOW_TRACKING_PASSWORD: no" in texts[0]
    assert "environment MY_API_KEY: no" in texts[0]
    told = [out, err, *texts, json.dumps(jobs(project, cluster)), str(run.data.to_dictionary())]
    assert not [text for text in told if PLANTED in text]
    files = [path for path in project.root.rglob("*") if path.is_file()]
    assert not [path for path in files if PLANTED.encode() in path.read_bytes()]


@pytest.mark.slow
@pytest.mark.cluster
def test_detaching_from_a_head_of_its_own_is_refused(project, monkeypatch):
    monkeypatch.delenv("RAY_API_SERVER_ADDRESS", raising=False)
    done = call(project, "run", "toy", "--detach")
    assert done.returncode == 2
    assert done.stderr.startswith("--detach needs a Ray that outlives this command")
    assert done.stderr.count("\n") == 1
