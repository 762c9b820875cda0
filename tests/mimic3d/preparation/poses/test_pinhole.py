import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from mimic3d.preparation.poses.face_template import face_template
from mimic3d.preparation.poses.lookat import Orbit, look_at, project, to_points
from mimic3d.preparation.poses.pinhole import fit_pinhole

ORBIT = Orbit()
PIVOT = np.array(ORBIT.pivot)
FACE = face_template(1.0)


def aligned(num, rng):
    """Cameras as aligned images have them, with roll, off the pivot; and their true distances."""
    cameras = look_at(rng.normal(0, [0.289, 0.127], (num, 2)), ORBIT)
    off = rng.normal(0, [0.02, 0.02, 0.2], (num, 3))
    cameras[:, :3, :3] = cameras[:, :3, :3] @ Rotation.from_rotvec(off).as_matrix()
    distant = cameras.copy()
    distant[:, :3, 3] = PIVOT + rng.uniform(0.8, 1.3, (num, 1)) * (cameras[:, :3, 3] - PIVOT)
    return cameras, distant


def fit(positions):
    return fit_pinhole(positions, np.ones(positions.shape[:2]), FACE.points, ORBIT)


def see(cameras):
    return to_points(project(FACE.points, cameras, ORBIT.focal)) + 0.5


def test_cameras_are_recovered_exactly_and_moved_onto_the_orbit():
    cameras, distant = aligned(60, np.random.default_rng(0))
    found, rms = fit(see(distant))
    assert np.abs(found - cameras).max() < 1e-7
    assert rms.max() < 1e-9
    assert np.linalg.norm(found[:, :3, 3] - PIVOT, axis=1) == pytest.approx(ORBIT.radius)
    rotation = found[:, :3, :3]
    assert np.abs(rotation @ rotation.transpose(0, 2, 1) - np.eye(3)).max() < 1e-12
    assert np.linalg.det(rotation) == pytest.approx(1)


def test_noise_of_a_512_px_image_moves_the_camera_a_little(world):
    """0.23 and 0.45 degrees (median and 95 %) were measured with another solver, SQPNP."""
    rng = np.random.default_rng(1)
    cameras, distant = aligned(300, rng)
    positions = see(distant)
    found, rms = fit(positions + rng.normal(size=positions.shape) / 512)
    error = world.angle_deg(found, cameras)
    assert np.median(error) < 0.3
    assert np.quantile(error, 0.95) < 0.65
    assert np.median(rms) == pytest.approx(2**0.5 / 512, rel=0.15)


def test_a_mirrored_image_has_the_mirrored_camera():
    rng = np.random.default_rng(2)
    positions = see(aligned(20, rng)[1])
    positions += rng.normal(size=positions.shape) / 200
    mirrored = positions[:, FACE.twins] * [-1, 1] + [1, 0]
    flip = np.diag([-1.0, 1, 1, 1])
    assert np.abs(fit(mirrored)[0] - flip @ fit(positions)[0] @ flip).max() < 1e-7


def test_a_photo_turned_in_its_plane_has_a_rolled_camera(world):
    """Any turn, upside down too."""
    angles = world.draw_angles(10, np.random.default_rng(3))
    for turn in (-3.0, -1.5, 0.5, 3.1):
        positions = world.see(FACE.points, angles, ORBIT, side_px=1.0) - 0.5
        cos, sin = np.cos(turn), np.sin(turn)
        found, _ = fit(positions @ np.array([[cos, sin], [-sin, cos]]) + 0.5)
        rolled = look_at(angles, ORBIT)
        rolled[:, :3, :3] = rolled[:, :3, :3] @ Rotation.from_rotvec([0, 0, -turn]).as_matrix()
        assert np.abs(found - rolled).max() < 1e-7
