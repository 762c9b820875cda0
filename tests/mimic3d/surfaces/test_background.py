import numpy as np
import pytest

from mimic3d.gallery.mesh import Mesh
from mimic3d.surfaces.background import cut_background, keep_around

PIVOT, STEP = (0.0, 0.0, 0.2), 1 / 64


def height_field(heights, num=65):
    """Mesh of z(x, y) over the box, facing the front."""
    x, y = np.meshgrid(np.linspace(-0.5, 0.5, num), np.linspace(-0.5, 0.5, num))
    vertices = np.stack([x, y, heights(x, y)], -1).reshape(-1, 3).astype(np.float32)
    corner = (np.arange(num - 1)[:, None] * num + np.arange(num - 1)).ravel()
    lower = np.stack([corner, corner + 1, corner + num], 1)
    upper = np.stack([corner + 1, corner + num + 1, corner + num], 1)
    colors = np.zeros_like(vertices, dtype=np.uint8)
    return Mesh(vertices, np.concatenate([lower, upper]), colors, (0.0, 0.0))


def head(x, y):
    """A dome that hangs together with what is behind it."""
    return 0.45 * np.clip(1 - (x**2 + y**2) / 0.25**2, 0, None) ** 0.5


@pytest.mark.parametrize(
    "wall",
    [lambda x, y: -0.2 + 0 * x, lambda x, y: -0.2 + 0.1 * x - 0.1 * y,
     lambda x, y: -0.2 + 0.2 * x**2 + 0.1 * y**2, lambda x, y: -0.2 + 0.01 * np.sin(40 * x)],
    ids=["flat", "tilted", "bent", "rough"],
)  # fmt: skip
def test_a_head_is_cut_off_the_wall_that_it_grows_out_of(wall):
    whole = height_field(lambda x, y: wall(x, y) + head(x, y))
    assert len(keep_around(whole, PIVOT).faces) == len(whole.faces)  # it hangs together
    cut = cut_background(whole, PIVOT, 1.0, STEP)
    x, y, _ = cut.vertices.T
    assert (np.hypot(x, y) < 0.25).all()
    inside = np.hypot(*whole.vertices[:, :2].T) < 0.22
    assert len(cut.vertices) > 0.98 * inside.sum()
    assert cut.faces.max() == len(cut.vertices) - 1


def test_without_a_wall_all_of_the_object_stays():
    whole = height_field(lambda x, y: 0.1 + head(x, y) - 1.2 * (x**2 + y**2))
    assert len(cut_background(whole, PIVOT, 1.0, STEP).faces) == len(whole.faces)


def test_the_part_around_a_point_is_the_nearest_one():
    near = height_field(lambda x, y: 0.2 + 0 * x)
    far = height_field(lambda x, y: -0.3 + 0 * x)
    both = Mesh(
        np.concatenate([near.vertices, far.vertices]),
        np.concatenate([near.faces, far.faces + len(near.vertices)]),
        np.concatenate([near.colors, far.colors]), (0.0, 0.0),
    )  # fmt: skip
    assert (keep_around(both, PIVOT).vertices[:, 2] > 0).all()
    assert (keep_around(both, (0.0, 0.0, -0.4)).vertices[:, 2] < 0).all()
    assert (cut_background(both, PIVOT, 1.0, STEP).vertices[:, 2] > 0).all()
