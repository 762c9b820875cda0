import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)
    torch.set_num_threads(1)


@pytest.fixture
def golden() -> Callable[[str], dict[str, torch.Tensor]]:
    """Reads reference numbers: `golden("components/aware3d_op")` -> tensors by name."""

    def read(name: str) -> dict[str, torch.Tensor]:
        with np.load(GOLDEN / f"{name}.npz") as arrays:
            return {k: torch.from_numpy(v) for k, v in arrays.items() if v.dtype.kind != "U"}

    return read


@pytest.fixture
def tiny_config():
    """A complete generator of 16-px images that runs in milliseconds."""
    from mimic3d.networks.generator import GeneratorConfig

    return GeneratorConfig(
        image_resolution=16,
        neural_rendering_resolution=8,
        plane_resolution=8,
        plane_channels=4,
        feature_channels=4,
        z_dim=8,
        w_dim=8,
        backbone={"channel_base": 64, "channel_max": 8},
        decoder={"hidden_channels": 8},
        superresolution={"channels": 4},
        rendering={"depth_resolution": 6, "depth_resolution_importance": 6},
    )
