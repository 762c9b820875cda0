import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mimic3d.cameras import Scene, orbit_cameras
from mimic3d.preparation.cameras.normalize import (
    BOX_PER_VIEW,
    CameraAxes,
    nearest_point,
    normalize_cameras,
    outlying_distances,
)
from mimic3d.preparation.cameras.table import build_table

ORIGIN = Scene(orbit_center=(0, 0, 0), pivot=(0, 0, 0), radius=2.7)


def orbit(yaws, pitches):
    cameras = orbit_cameras(torch.tensor(yaws), torch.tensor(pitches), ORIGIN)
    matrices = cameras.cam2world.double().numpy(), cameras.intrinsics.double().numpy()
    return build_table([f"{index}" for index in range(len(yaws))], *matrices)


def random_rotation(rng):
    matrix, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    return matrix * np.sign(np.linalg.det(matrix))


def moved(table, rotation, shift, scale):
    """The same cameras in another frame."""
    cam2world = table.cam2world.copy()
    cam2world[:, :3, :3] = rotation @ cam2world[:, :3, :3]
    cam2world[:, :3, 3] = scale * cam2world[:, :3, 3] @ rotation.T + shift
    return build_table(table.images, cam2world, table.intrinsics)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**31))
def test_any_similarity_is_undone(seed):
    """Cameras symmetric about the front come back to where they were, whatever the frame."""
    rng = np.random.default_rng(seed)
    yaw = rng.uniform(0.05, 0.8, 6)
    pitch = rng.uniform(-0.3, 0.3, 6)
    yaws, pitches = (
        np.concatenate([yaw, -yaw, yaw, -yaw]),
        np.concatenate([pitch, pitch, -pitch, -pitch]),
    )
    table = orbit(yaws.tolist(), pitches.tolist())
    foreign = moved(table, random_rotation(rng), rng.normal(size=3) * 5, rng.uniform(0.1, 9))
    back, facts = normalize_cameras(foreign, 4.2647, 2.7, None)
    np.testing.assert_allclose(back.cam2world, table.cam2world, atol=2e-5)
    assert facts.axes_miss < 1e-4
    assert facts.radius_q05 == pytest.approx(2.7, abs=1e-4)


def test_the_recorded_similarity_is_the_one_that_was_applied():
    rng = np.random.default_rng(3)
    table = moved(
        orbit([0.1, 0.5, -0.4, 0.2], [0.1, 0.3, 0.0, -0.2]), random_rotation(rng), 2.0, 3.0
    )
    back, facts = normalize_cameras(table, 4.2647, 1.7, None)
    rotation = np.reshape(facts.rotation, (3, 3))
    centers = facts.scale * (table.cam2world[:, :3, 3] - facts.pivot) @ rotation.T
    np.testing.assert_allclose(back.cam2world[:, :3, 3], centers, atol=1e-9)
    np.testing.assert_allclose(
        back.cam2world[:, :3, :3], rotation @ table.cam2world[:, :3, :3], atol=1e-12
    )
    assert np.median(np.linalg.norm(centers, axis=1)) == pytest.approx(1.7)


def test_the_suggested_scene_is_that_of_eg3d():
    """Box 1 and limits around it for FFHQ, box 1.6 for ShapeNet's cars (EG3D)."""
    yaws = np.linspace(-0.6, 0.6, 9).tolist()
    _, faces = normalize_cameras(orbit(yaws, [0.1] * 9), 4.2647, 2.7, None)
    assert faces.box_warp == pytest.approx(1.0, abs=0.02)
    assert faces.near == pytest.approx(2.7 - math.sqrt(3) / 2 * faces.box_warp, abs=1e-3)
    assert faces.far == pytest.approx(2.7 + math.sqrt(3) / 2 * faces.box_warp, abs=1e-3)
    _, cars = normalize_cameras(orbit(yaws, [0.1] * 9), 1.7074, 1.7, None)
    assert cars.box_warp == pytest.approx(1.6, abs=0.02)
    assert cars.near > 0


def test_a_known_up_is_kept():
    """From above only, the mean of the images' ups leans; the world's does not."""
    table = orbit([-0.5, 0.5, 0.0, 0.3], [0.9, 1.0, 0.8, 0.95])
    back, _ = normalize_cameras(table, 4.2647, 2.7, np.array([0.0, 1.0, 0.0]))
    np.testing.assert_allclose(back.cam2world[:, 1, 3], table.cam2world[:, 1, 3], atol=1e-5)
    leaning, _ = normalize_cameras(table, 4.2647, 2.7, None)
    assert np.abs(leaning.cam2world[:, 1, 3] - table.cam2world[:, 1, 3]).max() > 0.5


def test_cameras_all_around_have_the_first_one_aside_in_front():
    yaws = (np.arange(8) * math.pi / 4 + 0.3).tolist()
    back, _ = normalize_cameras(orbit(yaws, [0.2] * 8), 4.2647, 2.7, None)
    first = back.cam2world[0, :3, 3]
    assert first[0] == pytest.approx(0, abs=1e-4)
    assert first[2] > 2


def test_parallel_axes_are_an_error_that_names_the_way_out():
    table = orbit([0.0, 0.0], [0.0, 0.0])
    with pytest.raises(ValueError, match=r"prepare.given.normalize must be never"):
        normalize_cameras(table, 4.2647, 2.7, None)


def test_the_meeting_point_is_the_least_squares_one():
    rng = np.random.default_rng(5)
    centers, forward = rng.normal(size=(7, 3)), rng.normal(size=(7, 3))
    forward /= np.linalg.norm(forward, axis=1, keepdims=True)
    point = nearest_point(CameraAxes(centers, forward, forward))

    def cost(candidate):
        return (np.cross(candidate - centers, forward) ** 2).sum()

    for step in np.eye(3) * 1e-3:
        assert cost(point) < cost(point + step)
        assert cost(point) < cost(point - step)


def test_distances_far_from_the_median_stand_out_and_rounding_does_not():
    rounded = 2.7 + np.random.default_rng(0).normal(0, 1e-7, 50)
    assert not outlying_distances(rounded, 3.0)[0].any()
    spread = np.concatenate([np.random.default_rng(0).normal(2.7, 0.1, 500), [4.0, 1.2]])
    is_far, scores = outlying_distances(spread, 3.0)
    assert is_far[-2:].all()
    assert is_far[:-2].mean() < 0.02
    assert scores[-2] == pytest.approx(13, rel=0.15)


def test_box_per_view_is_between_those_of_eg3d():
    assert 1 / (2.7 / 4.2647) <= BOX_PER_VIEW <= 1.6 / (1.7 / 1.7074)
