import pytest

from mimic3d.cameras import Scene
from mimic3d.networks.generator import Generator


@pytest.fixture
def generator(tiny_config):
    cfg = tiny_config.model_copy(update={"detail": True})
    return Generator(cfg, Scene()).eval().requires_grad_(False)
