"""The way of files between a project folder, the storage, and machines that share nothing else."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from pipeline.cluster import Settings
from pipeline.owned_folder import hold
from pipeline.storage import remote_run as module
from pipeline.storage.remote_run import PROCESSES, RemoteRun, remote_run_of
from pipeline.storage.staging import collect, pack_code, plan_run, read_contract, send_inputs
from pipeline.storage.storage_sync import StorageSync

ROOT = Path(__file__).parents[3]
DVC = """
stages:
  toy:
    cmd: python -m pipeline.run toy
    deps: ["data/${toy.name}", data/init, mimic3d/config.py, stages/toy.py]
    outs: [runs/toy]
    metrics: [reports/toy.json: {cache: false}]
"""


@pytest.fixture
def checkout(tmp_path):
    root = tmp_path / "checkout"
    for name in ("mimic3d", "stages", "pipeline", "data/heads", "data/init", ".dvc", ".git"):
        (root / name).mkdir(parents=True)
        (root / name / "code.py").write_text(name)
    shutil.rmtree(root / "data" / "init")
    (root / "data" / "init").mkdir()
    (root / ".dvc" / "config").write_text("[core]\n    no_scm = true\n")
    (root / "params.yaml").write_text("toy: {name: heads}\n")
    (root / "cluster.yaml").write_text("metadata: {}\n")
    (root / "dvc.yaml").write_text(DVC)
    (root / "data" / "heads" / "shard").write_bytes(b"0" * 1000)
    return root


@pytest.fixture
def remote(checkout, tmp_path, monkeypatch):
    """A run that was submitted."""
    monkeypatch.setattr(module, "CODE", checkout)
    key, plan = plan_run(checkout, "toy", "print")
    remote = RemoteRun(f"file://{tmp_path}/storage", f"toy-{key}", str(tmp_path / "machine"))
    (tmp_path / "machine").mkdir()
    send_inputs(remote, plan, checkout)
    return remote


def test_the_contract_is_what_dvc_reads_and_writes_without_code(checkout):
    contract = read_contract(checkout, "toy")
    assert contract.inputs == ["data/heads", "data/init"]
    assert contract.outs == ["runs/toy", "reports/toy.json"]
    with pytest.raises(ValueError, match="must have a stage tow"):
        read_contract(checkout, "tow")


def test_the_contracts_of_our_stages_name_results_and_no_code():
    for stage in ("prepare", "pretrain", "imitate", "evaluate"):
        contract = read_contract(ROOT, stage)
        assert all(name.startswith(("data/", "reports/", "runs/")) for name in contract.inputs)
        assert contract.outs


def test_a_run_is_named_after_its_inputs(checkout):
    key, _ = plan_run(checkout, "toy", "print")
    assert plan_run(checkout, "toy", "print")[0] == key
    assert plan_run(checkout, "toy", "other")[0] != key
    (checkout / "data" / "heads" / "shard").write_bytes(b"1")
    assert plan_run(checkout, "toy", "print")[0] != key
    shutil.rmtree(checkout / "data" / "heads")
    with pytest.raises(ValueError, match="needs data/heads, which is missing"):
        plan_run(checkout, "toy", "print")


def test_only_code_and_settings_leave_the_machine(checkout, tmp_path):
    for secret in (".env", "key.pem", "stages/.env", "stages/credentials.json", "other.py"):
        (checkout / secret).write_text("secret")
    size = pack_code(checkout, tmp_path / "packed")
    files = [path for path in (tmp_path / "packed").rglob("*") if path.is_file()]
    packed = {path.relative_to(tmp_path / "packed").as_posix() for path in files}
    assert packed == {
        "mimic3d/code.py", "stages/code.py", "pipeline/code.py", "params.yaml", "cluster.yaml",
        "dvc.yaml",
    }  # fmt: skip
    assert 0 < size < 1000


def test_our_own_code_is_complete_and_small(tmp_path):
    size = pack_code(ROOT, tmp_path)
    assert size < 5e6
    tracked = subprocess.run(
        ["git", "ls-files", "mimic3d", "stages", "pipeline"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    assert all((tmp_path / path).is_file() for path in tracked)


def test_a_machine_has_inputs_and_parameters_and_clears_up(remote, tmp_path):
    with remote.open("one") as (root, _):
        assert Path.cwd() == root
        assert (root / "data" / "heads" / "shard").read_bytes() == b"0" * 1000
        assert (root / "data" / "init").is_dir()
        assert (root / "params.yaml").exists()
        (root / "cache" / "index").touch()
    assert not root.exists()
    with remote.open("two") as (other, _):
        assert (other / "cache" / "index").exists()


def test_the_last_process_of_a_machine_clears_up(remote):
    with remote.open("one") as (root, _):
        other = hold(root / PROCESSES / "other")
    assert root.exists()
    os.close(other)
    with remote.open("one") as (same, _):
        assert same == root
    assert not root.exists()


def test_inputs_are_downloaded_once_per_machine(remote, tmp_path):
    with remote.open("one"):
        pass
    shutil.rmtree(tmp_path / "storage" / "inputs")
    with remote.open("two") as (root, _):
        assert (root / "data" / "heads" / "shard").stat().st_size == 1000


def test_what_killed_processes_left_goes_with_the_next_attempt(remote):
    with remote.open("alive") as (alive, _):
        left = alive.with_name("killed")
        (left / PROCESSES).mkdir(parents=True)
        os.close(hold(left / PROCESSES / "killed"))
        with remote.open("next"):
            assert not left.exists()
            assert alive.exists()


def test_outputs_come_back_whole_and_once(remote, checkout):
    (checkout / "runs" / "toy").mkdir(parents=True)
    (checkout / "runs" / "toy" / "old").touch()
    assert collect(remote, checkout) is None
    with remote.open("one") as (root, sync):
        (root / "runs" / "toy").mkdir(parents=True)
        (root / "runs" / "toy" / "new").write_text("new")
        (root / "reports").mkdir()
        (root / "reports" / "toy.json").write_text("{}")
        (root / "reports" / "other.json").write_text("{}")
        remote.publish(root, sync)
    assert collect(remote, checkout) == ["runs/toy", "reports/toy.json"]
    assert [path.name for path in (checkout / "runs" / "toy").iterdir()] == ["new"]
    assert not (checkout / "reports" / "other.json").exists()
    assert not list((checkout / ".pipeline" / "incoming").iterdir())
    assert collect(remote, checkout) is None


def test_damaged_outputs_change_nothing(remote, checkout, tmp_path):
    (checkout / "runs" / "toy").mkdir(parents=True)
    with remote.open("one") as (root, sync):
        (root / "runs" / "toy").mkdir(parents=True)
        (root / "runs" / "toy" / "new").write_text("new")
        remote.publish(root, sync)
    for stored in tmp_path.glob("storage/runs/*/outs/contents/*"):
        stored.write_text("dam")
    with pytest.raises(ValueError, match="must be as it was stored"):
        collect(remote, checkout)
    assert not list((checkout / "runs" / "toy").iterdir())


@pytest.fixture
def two_machines(tmp_path):
    """Mirrors of a state on machines that share nothing but the storage, and its folders."""
    remote = RemoteRun(f"file://{tmp_path}/storage", "toy-1")
    roots = [tmp_path / "one", tmp_path / "two"]
    return [(StorageSync(remote.state, root), root / "state" / "toy" / "key") for root in roots]


def names(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_another_machine_resumes_from_what_was_pushed_last(two_machines):
    (here, folder), (there, other) = two_machines
    for number in (1, 2, 3):
        (folder / f"nimg-{number}").mkdir(parents=True)
        (folder / f"nimg-{number}" / "weights").write_text(str(number))
        if number == 3:
            shutil.rmtree(folder / "nimg-1")
        here.push(folder)
    there.pull(other)
    assert names(other) == ["nimg-2/weights", "nimg-3/weights"]
    assert (other / "nimg-3" / "weights").read_text() == "3"


def test_a_machine_that_was_ahead_or_behind_follows_the_storage(two_machines):
    (here, folder), (there, other) = two_machines
    (folder / "nimg-2").mkdir(parents=True)
    (folder / "nimg-2" / "weights").write_text("2")
    here.push(folder)
    for stray in ("nimg-3", "nimg-2"):
        (other / stray).mkdir(parents=True)
        (other / stray / "weights").write_text("stray")
    there.pull(other)
    assert names(other) == ["nimg-2/weights"]
    assert (other / "nimg-2" / "weights").read_text() == "2"
    assert not (other / "nimg-3").exists()


def test_a_state_that_starts_anew_does_so_everywhere(two_machines):
    (here, folder), (there, other) = two_machines
    folder.mkdir(parents=True)
    (folder / "finished.json").write_text("{}")
    here.push(folder)
    there.pull(other)
    (folder / "finished.json").unlink()
    here.push(folder)
    there.pull(other)
    assert names(other) == []


def test_a_push_that_was_cut_off_leaves_the_copy_before(two_machines, tmp_path, capsys):
    (here, folder), (there, other) = two_machines
    folder.mkdir(parents=True)
    (folder / "weights").write_text("1")
    here.push(folder)
    (folder / "weights").write_text("2")
    stored = tmp_path / "storage" / "state" / "toy" / "key"
    (stored / "index.json").rename(stored / "index")
    (stored / "index.json").mkdir()  # writing the record fails
    here.push(folder)
    assert "could not be copied to the storage" in capsys.readouterr().err
    (stored / "index.json").rmdir()
    (stored / "index").rename(stored / "index.json")
    there.pull(other)
    assert (other / "weights").read_text() == "1"


def test_what_changed_after_the_last_push_is_pushed_at_the_end(two_machines):
    (here, folder), (there, other) = two_machines
    folder.mkdir(parents=True)
    here.push(folder)
    (folder / "finished.json").write_text("{}")
    here.finish()
    there.pull(other)
    assert names(other) == ["finished.json"]


def test_a_folder_of_somebody_else_is_refused(tmp_path, remote):
    (tmp_path / "mine").mkdir()
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / f"mimic3d-{os.getuid()}").symlink_to(tmp_path / "mine")
    with (
        pytest.raises(ValueError, match="must belong to user"),
        RemoteRun(remote.storage, remote.run, str(taken)).open("one"),
    ):
        pass


def test_a_password_in_the_storage_is_refused():
    settings = Settings(storage="s3://name:secret@bucket/prefix")
    with pytest.raises(ValueError, match=r"storage .* must hold no password") as error:
        remote_run_of(settings, "toy", "key")
    assert "secret" not in str(error.value)


def test_folders_of_other_machines_are_named(two_machines):
    (here, folder), (there, other) = two_machines
    assert there.names(other.parent) == []
    for name in ("key", "key-2"):
        (folder.with_name(name)).mkdir(parents=True)
        here.push(folder.with_name(name))
    (other.with_name("own")).mkdir(parents=True)
    assert there.names(other.parent) == ["key", "key-2", "own"]
