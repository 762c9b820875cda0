import pytest
import torch

from mimic3d.cameras import Scene
from mimic3d.networks.generator import Generator
from mimic3d.rendering import backend
from mimic3d.training.state import Progress, load_state, save_state
from stages.renderer import set_renderer

CPU = torch.device("cpu")


@pytest.fixture
def generators(tiny_config):
    return [Generator(tiny_config, Scene()) for _ in range(2)]


def test_a_change_of_renderer_is_told_and_survives_a_restart(
    generators, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(backend, "why_not_here", lambda device: None)
    progress = Progress(nimg=16)
    assert set_renderer(generators, "torch", CPU, progress, "imitate", True).name == "torch"
    assert capsys.readouterr().out == ""
    save_state(tmp_path, progress, {"G": generators[0]}, {})
    progress = load_state(tmp_path, {"G": generators[0]}, {})
    set_renderer(generators, "auto", CPU, progress, "imitate", True)
    told = capsys.readouterr().out
    assert "imitate renders with fused: fused kernels run on cpu" in told
    assert "WAS RENDERED WITH torch SO FAR" in told
    assert all(g.backend.name == "fused" for g in generators)
    set_renderer(generators, "fused", CPU, progress, "imitate", True)
    assert capsys.readouterr().out == ""


def test_fused_that_cannot_run_names_its_key(generators, monkeypatch):
    monkeypatch.setattr(backend, "why_not_here", lambda device: "no kernels")
    with pytest.raises(ValueError, match=r"imitate.loop.renderer: .* cannot run: no kernels"):
        set_renderer(generators, "fused", CPU, Progress(), "imitate", True)
    auto = set_renderer(generators, "auto", CPU, Progress(), "imitate", True)
    assert (auto.name, auto.reason) == ("torch", "no kernels")
