import pytest
import torch

from mimic3d.cameras import Scene, orbit_cameras
from mimic3d.networks.generator import Generator


@pytest.fixture(name="G")
def generator(tiny_config):
    """A fresh generator with detail planes, ready to use."""
    G = Generator(tiny_config.model_copy(update={"detail": True}), Scene())
    return G.eval().requires_grad_(False)


@pytest.fixture
def label():
    return orbit_cameras(torch.zeros(1), torch.zeros(1), Scene()).labels()
