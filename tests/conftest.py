import os
import shutil

os.environ.setdefault("OMP_NUM_THREADS", "1")

from pathlib import Path

import pytest
import torch
from hypothesis import settings

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"  # kernels in Triton run on the CPU; read at its import

pytest_plugins = ["golden.report", "shares"]
settings.register_profile("seeded", derandomize=True, deadline=None)  # the same everywhere
settings.load_profile("seeded")


CLUSTER_SECONDS = 3600
"""Limit of a test that starts clusters: its waits are for events, and a busy machine is slow."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Gives tests of clusters a limit that a busy machine keeps."""
    for item in items:
        if item.get_closest_marker("cluster"):
            item.add_marker(pytest.mark.timeout(CLUSTER_SECONDS), append=False)


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)
    torch.set_num_threads(1)


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


TINY_PARAMS = Path(__file__).parent / "tiny_params.yaml"


@pytest.fixture(scope="session")
def prepared_project(tmp_path_factory) -> Path:
    """A project folder with the tiny parameters and their dataset; copy it, do not change it."""
    from pipeline.stage import run_stage
    from pipeline.tracking.tracker import SilentTracker

    root = tmp_path_factory.mktemp("project")
    shutil.copy(TINY_PARAMS, root / "params.yaml")
    (root / "data" / "raw").mkdir(parents=True)
    run_stage("prepare", root, SilentTracker())
    return root


@pytest.fixture
def project(prepared_project, tmp_path) -> Path:
    """A project of one's own, with the tiny dataset prepared."""
    root = tmp_path / "project"
    shutil.copytree(prepared_project, root)
    return root
