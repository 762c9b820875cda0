import numpy as np
import pytest
import torch

from mimic3d.surfaces.background import cut_background
from mimic3d.surfaces.fusion import FusionConfig, fuse_views
from mimic3d.surfaces.pose_range import PoseRange, grid_cameras

trimesh = pytest.importorskip("trimesh")
pytest.importorskip("skimage")
CENTER, RADIUS, WALL_Z = np.array([0.0, 0.05, 0.1]), 0.15, -0.25
CFG = FusionConfig(resolution=48, view_resolution=64)
STEP = 1 / 47


@pytest.fixture
def mesh(subject, scene):
    return fuse_views(subject, grid_cameras(PoseRange(0.4, 0.2), scene), scene, CFG)


def test_vertices_lie_on_the_surfaces_that_cameras_see(mesh):
    to_ball = np.abs(np.linalg.norm(mesh.vertices - CENTER, axis=1) - RADIUS)
    to_wall = np.abs(mesh.vertices[:, 2] - WALL_Z)
    distance = np.minimum(to_ball, to_wall)
    assert np.median(distance) < 0.2 * STEP
    assert np.quantile(distance, 0.95) < STEP
    behind = (mesh.vertices[:, 2] < CENTER[2] - 0.12) & (to_ball < 0.02)
    assert not behind.any()  # nobody sees the back of the ball


def test_faces_look_towards_the_cameras(mesh):
    solid = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    assert np.quantile(solid.face_normals[:, 2], 0.05) > 0


def test_colours_are_those_of_the_pixels(subject, mesh):
    points = torch.from_numpy(mesh.vertices)
    front = np.linalg.norm(mesh.vertices - CENTER, axis=1) < RADIUS + 0.01
    front &= mesh.vertices[:, 2] > 0.17
    expected = subject.colors(points).numpy()[front]
    assert mesh.colors[front] / 255 == pytest.approx(expected, abs=0.03)


def test_a_haze_that_takes_less_than_half_of_the_light_has_no_surface(subject, scene):
    class Haze(type(subject)):
        def query(self, points):
            return 0.3 * torch.ones_like(points[..., :1]), self.colors(points)

    cameras = grid_cameras(PoseRange(0.4, 0.2), scene)[:2]
    mesh = fuse_views(Haze(), cameras, scene, CFG)
    assert len(mesh.faces) == 0
    assert len(cut_background(mesh, (0.0, 0.0, 0.0), 1.0, STEP).faces) == 0
