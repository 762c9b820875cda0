"""What is wrong is said before anything starts, and before DVC removes anything."""

import subprocess
import sys

import pytest

from pipeline import preflight
from pipeline.cluster import FILE, Address, Settings, Workers
from pipeline.preflight import check_resources, check_stages


def settings(**rows) -> Settings:
    return Settings(local={stage: Workers(**row) for stage, row in rows.items()})


def test_all_mistakes_of_all_stages_are_said_at_once(tmp_path, monkeypatch):
    for name in ("MLFLOW_TRACKING_URI", "RAY_API_SERVER_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(preflight, "count_gpus", lambda: 0)
    (tmp_path / "params.yaml").write_text("pretrain: {lop: 1}\nimitate: {patch_scale: x}\n")
    rows = settings(pretrain={}, imitate={}, evaluate={"gpus": 8})
    with pytest.raises(ValueError, match=r"\w") as error:
        check_stages(tmp_path, rows, None)
    first, second, third = str(error.value).splitlines()
    assert first.startswith("pretrain.lop is no parameter")
    assert second.startswith("imitate.patch_scale must ")
    assert third.startswith("params.yaml must have a section evaluate")
    check_stages(tmp_path, rows, [])


def test_the_inputs_of_the_first_stage_count_and_those_of_later_ones_are_made(
    tmp_path, monkeypatch
):
    checked = []
    monkeypatch.setattr(preflight, "validate", lambda stage, root: checked.append(stage))
    monkeypatch.setattr(preflight, "check_alone", lambda stage, root: checked.append(f"{stage}*"))
    rows = settings(prepare={}, pretrain={}, imitate={})
    check_stages(tmp_path, rows, ["imitate", "pretrain"])
    check_stages(tmp_path, rows, None)
    assert checked == ["pretrain", "imitate*", "prepare*", "pretrain*", "imitate*"]


def test_resources_that_are_not_there_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(preflight, "count_gpus", lambda: 1)
    check_resources("toy", tmp_path, settings(toy={"gpus": 1}), None)
    with pytest.raises(ValueError, match=r"must be at most those of this machine = 1, is 8"):
        check_resources("toy", tmp_path, settings(toy={"gpus": 8}), None)
    (tmp_path / "cluster.yaml").write_text("available_node_types: {a: {resources: {GPU: 4}}}")
    far = Settings(stages={"toy": Workers(gpus=8)})
    with pytest.raises(ValueError, match="the largest has 4"):
        check_resources("toy", tmp_path, far, Address("http://x", FILE, is_local=False))
    elsewhere = Address("http://x", "RAY_API_SERVER_ADDRESS", is_local=False)
    check_resources("toy", tmp_path, far, elsewhere)  # the file tells of another cluster


@pytest.mark.slow
def test_a_reproduction_with_a_mistake_removes_nothing(tmp_path, quiet_environ, project):
    root = project.root
    (root / "dvc.yaml").write_text(
        "stages:\n  toy:\n    cmd: python -m pipeline.run toy\n    params: [toy]\n    outs: [out]\n"
    )
    (root / "params.yaml").write_text("toy:\n  acts: work\n")
    (root / "out").write_text("precious")
    subprocess.run(
        [sys.executable, "-m", "dvc", "init", "--quiet", "--no-scm"], cwd=root, check=True
    )
    command = [sys.executable, "-m", "pipeline.repro"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=300)
    assert done.returncode == 2
    assert done.stderr == "toy.acts is no parameter (its value is 'work'); did you mean act?\n"
    assert (root / "out").read_text() == "precious"
