import math

import numpy as np
import pytest
import torch

from mimic3d.cameras import orbit_cameras
from mimic3d.synthetic.catalog import KINDS, SubjectName, identity_of
from mimic3d.synthetic.render import Background, SubjectRenderer
from mimic3d.synthetic.scene import SYNTHETIC_SCENE


@pytest.fixture
def orbit():
    """Cameras by yaws and pitches."""

    def build(yaws, pitches):
        return orbit_cameras(torch.tensor(yaws), torch.tensor(pitches), SYNTHETIC_SCENE)

    return build


@pytest.fixture
def subject():
    """The subject of a number."""

    def draw(number, kind: SubjectName = "heads"):
        return identity_of((0, 0, number), kind)

    return draw


@pytest.fixture
def renderer():
    """Subjects before as many cameras, in NumPy."""

    def build(
        subjects,
        cameras,
        resolution=32,
        background: Background = "room",
        kind: SubjectName = "heads",
        **more,
    ):
        matrices = cameras.cam2world.numpy(), cameras.intrinsics.numpy()
        return SubjectRenderer.build(
            KINDS[kind], subjects, *matrices, resolution, background, **more
        )

    return build


@pytest.fixture
def render(renderer):
    """Views of one subject by each camera."""

    def take(one, cameras, *args, **more):
        views = [renderer([one], cameras[i : i + 1], *args, **more) for i in range(len(cameras))]
        return [each.render() for each in views]

    return take


@pytest.fixture
def psnr():
    """Peak signal-to-noise ratio of two images, dB."""

    def measure(a, b):
        return 10 * math.log10(255**2 / ((a.astype(float) - b.astype(float)) ** 2).mean())

    return measure


@pytest.fixture
def correlation():
    """Pearson's."""
    return lambda a, b: float(np.corrcoef(a, b)[0, 1])
