import shutil
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tools.preset import STAGES, apply_preset, main, next_steps

PRESETS = Path(__file__).parents[2] / "presets"


def test_the_stages_are_those_of_the_pipeline():
    assert tuple(YAML(typ="safe").load(PRESETS.parent / "dvc.yaml")["stages"]) == STAGES


@pytest.fixture
def checkout(tmp_path):
    shutil.copytree(PRESETS, tmp_path / "presets")
    return tmp_path


def test_a_preset_replaces_another_but_nothing_else(checkout):
    params = checkout / "params.yaml"
    for name in ("ffhq512", "afhq256"):
        apply_preset(name, checkout, force=False)
        assert params.read_text() == (PRESETS / f"{name}.yaml").read_text()
    params.write_text(params.read_text() + "# mine\n")
    with pytest.raises(ValueError, match=r"changes of its own; commit or .*NAME=ffhq512 FORCE=1"):
        apply_preset("ffhq512", checkout, force=False)
    assert params.read_text().endswith("# mine\n")
    apply_preset("ffhq512", checkout, force=True)
    assert params.read_text() == (PRESETS / "ffhq512.yaml").read_text()


def test_what_is_committed_may_be_replaced(checkout):
    def git(*arguments: str) -> None:
        who = ("-c", "user.name=test", "-c", "user.email=test@localhost")
        subprocess.run(["git", *who, *arguments], cwd=checkout, check=True, capture_output=True)

    (checkout / "params.yaml").write_text("pretrain: {}\n")
    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "-m", "start")
    apply_preset("ffhq512", checkout, force=False)
    (checkout / "params.yaml").write_text("pretrain: {seed: 1}\n")
    with pytest.raises(ValueError, match="has changes of its own"):
        apply_preset("ffhq512", checkout, force=False)


def test_a_preset_that_does_not_fit_is_not_written(checkout):
    with pytest.raises(ValueError, match=r"must be one of afhq256, .*, is ffhq1024; type"):
        apply_preset("ffhq1024", checkout, force=False)
    text = (PRESETS / "ffhq512.yaml").read_text().replace("perceptual:", "perceptive:")
    (checkout / "presets" / "ffhq512.yaml").write_text(text)
    with pytest.raises(ValueError, match=r"imitate\.imitation\.perceptive is no parameter"):
        apply_preset("ffhq512", checkout, force=True)
    assert not (checkout / "params.yaml").exists()


def test_the_next_steps_are_what_is_missing(checkout):
    apply_preset("afhq512", checkout, force=False)
    images, snapshot, last = next_steps(checkout)
    assert "data/raw/afhq_v2_512.zip" in images
    assert "data/init/ffhq512" in snapshot
    assert last == "make repro"
    (checkout / "data/raw").mkdir(parents=True)
    (checkout / "data/raw/afhq_v2_512.zip").touch()
    (checkout / "data/init/ffhq512").mkdir(parents=True)
    assert next_steps(checkout) == ["make repro"]


def test_the_command(checkout, monkeypatch, capsys):
    monkeypatch.chdir(checkout)
    assert main(["shapenet128"]) == 0
    assert "params.yaml is now presets/shapenet128.yaml. Next:\n" in capsys.readouterr().out
    assert main([]) == 1
    assert "must be one of afhq256" in capsys.readouterr().err
