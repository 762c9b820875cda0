"""A disk that fills up while a state is written: really full, and a quota."""

import os
import shutil
import subprocess

import pytest
import torch
from torch import nn

from mimic3d.training.state import Progress, load_state, save_state

BYTES = 2**20


@pytest.fixture
def small_disk(tmp_path):
    """A file system of a megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={BYTES}", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("only root may mount a small file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def networks(value: float) -> dict[str, nn.Module]:
    """400 kB of weights."""
    network = nn.Linear(1000, 100)
    nn.init.constant_(network.weight, value)
    return {"G": network}


def test_the_old_state_outlives_a_disk_that_fills_up(small_disk):
    save_state(small_disk, Progress(8), networks(1), {})
    save_state(small_disk, Progress(16), networks(2), {})
    with pytest.raises(ValueError, match=r"needs more disk than is free.*is intact") as caught:
        save_state(small_disk, Progress(24), networks(3), {})
    assert len(str(caught.value).splitlines()) == 1
    assert sorted(path.name for path in small_disk.iterdir()) == [
        "nimg-000000008", "nimg-000000016",
    ]  # fmt: skip
    found = networks(0)
    assert load_state(small_disk, found, {}).nimg == 16
    assert torch.equal(found["G"].weight, networks(2)["G"].weight)


@pytest.mark.slow
def test_a_stage_says_so_in_one_sentence_and_goes_on_when_there_is_room(
    project, trainings, tmp_path
):
    trainings.set_up(project, total_kimg=0.048)
    straight = shutil.copytree(project, tmp_path / "straight")
    assert trainings.run(straight) == 0
    size = max(path.stat().st_size for path in (straight / "state").rglob("*.safetensors"))

    assert trainings.run(project, total_kimg=0.016) == 0
    shutil.rmtree(project / "runs")
    shutil.rmtree(project / "reports" / "pretrain")
    trainings.set_up(project, total_kimg=0.048)
    (project / "log").unlink()
    process = trainings.start(project, file_bytes=size // 2)
    process.join()
    assert process.exitcode == 1
    assert trainings.states(project) == ["nimg-000000016"]
    *_, line = (project / "log").read_text().splitlines()
    assert "nimg-000000032 needs more disk than is free; what was there before is intact" in line
    assert "Traceback" not in (project / "log").read_text()
    assert trainings.run(project) == 0, (project / "log").read_text()
    expected, found = trainings.results(straight), trainings.results(project)
    for results in (expected, found):  # the end of the smaller budget was measured, too
        results.pop("reports/pretrain/monitor.csv")
    assert found == expected
