import pytest
import torch

from mimic3d.data.reference import Reals
from mimic3d.data.schema import load_manifest
from mimic3d.evaluation.context import ALONE, EvaluationContext
from mimic3d.evaluation.sampling import SamplingConfig
from mimic3d.networks.generator import Generator, GeneratorConfig


@pytest.fixture
def tiny_generator(tiny_config):
    """Both branches, 16 px, with weights of its own."""
    from mimic3d.cameras import Scene

    torch.manual_seed(5)
    cfg = GeneratorConfig(**tiny_config.model_dump() | {"detail": True})
    return Generator(cfg, Scene()).eval().requires_grad_(False)


@pytest.fixture
def context(tiny_generator, average_label, reals, tmp_path):
    """The tiny generator under evaluation at its own size, by one process."""
    return EvaluationContext(
        tiny_generator, average_label, reals.manifest, 16, SamplingConfig(), ALONE,
        tmp_path / "cache", lambda amount, text: None,
    )  # fmt: skip


@pytest.fixture
def reals(prepared_project, tmp_path):
    """Eight of the tiny heads, and eight others."""
    return Reals(prepared_project / "data" / "tiny", tmp_path / "pixels", 8, seed=0)


@pytest.fixture
def average_label(prepared_project):
    """Mean label of the tiny heads."""
    manifest = load_manifest(prepared_project / "data" / "tiny")
    return torch.tensor([manifest.average_label])
