import os
from pathlib import Path

import numpy as np
import pytest

from mimic3d.preparation.poses.face_models import fetch_face_models
from mimic3d.preparation.poses.landmark_table import LandmarkTable
from mimic3d.preparation.poses.lookat import Orbit, look_at, project, to_points
from mimic3d.preparation.poses.template import Template

ROOT = Path(__file__).parents[4]
YAW_SIGMA_RAD, PITCH_SIGMA_RAD = 0.289, 0.127  # of FFHQ (GMPI)
CRAYON = {  # an animal of ten landmarks
    "eye_l": (0.10, 0.05, 0.13),
    "eye_r": (-0.10, 0.05, 0.13),
    "inner_l": (0.045, 0.05, 0.15),
    "inner_r": (-0.045, 0.05, 0.15),
    "ear_l": (0.13, 0.20, 0.0),
    "ear_r": (-0.13, 0.20, 0.0),
    "nose": (0.0, -0.03, 0.25),
    "mouth": (0.0, -0.10, 0.19),
    "chin": (0.0, -0.17, 0.13),
    "brow": (0.0, 0.10, 0.15),
}
PAIRS = (("eye_l", "eye_r"), ("inner_l", "inner_r"), ("ear_l", "ear_r"))


@pytest.fixture(scope="session")
def models() -> Path:
    """Folder of the face networks: $MIMIC3D_FACE_MODELS, or cache/models, fetched once."""
    pytest.importorskip("cv2", reason="finding faces needs the extra `pose`")
    folder = Path(os.environ.get("MIMIC3D_FACE_MODELS", ROOT / "cache" / "models"))
    try:
        fetch_face_models(folder)
    except ValueError as error:
        pytest.skip(f"no face networks: {error}")
    return folder


@pytest.fixture
def animal() -> Template:
    return Template(tuple(CRAYON), np.array(list(CRAYON.values())), PAIRS, Orbit())


def draw_angles(num: int, rng: np.random.Generator) -> np.ndarray:
    return rng.normal(0, [YAW_SIGMA_RAD, PITCH_SIGMA_RAD], (num, 2))


def see(points, angles, orbit, rng=None, noise_px=0.0, side_px=512.0, turn_rad=0.0):
    """Landmarks (pixels) of points, one set for all images or one each, in crops of one side."""
    each = np.broadcast_to(points, (len(angles), *points.shape[-2:]))
    cameras = look_at(angles, orbit)
    q = np.concatenate(
        [project(p, c[None], orbit.focal) for p, c in zip(each, cameras, strict=True)]
    )
    pixels = to_points(side_px * np.exp(1j * turn_rad) * q + side_px * (0.5 + 0.5j))
    return pixels if rng is None else pixels + noise_px * rng.normal(size=pixels.shape)


def tabulate(template: Template, pixels) -> LandmarkTable:
    images = tuple(f"{index:04d}.png" for index in range(len(pixels)))
    weights = np.ones(pixels.shape[:2])
    return LandmarkTable(Path("landmarks.csv"), images, template.names, pixels, weights)


def angle_deg(one, other):
    """Between the rotations of two sets of cameras."""
    cosine = (np.einsum("nij,nij->n", one[:, :3, :3], other[:, :3, :3]) - 1) / 2
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))


@pytest.fixture
def world():
    """Synthetic landmarks with known cameras."""
    from types import SimpleNamespace

    return SimpleNamespace(draw_angles=draw_angles, see=see, tabulate=tabulate, angle_deg=angle_deg)
