"""Textures and pictures of meshes, and their files, opened again by another library."""

import numpy as np
import pytest
import torch
from ball_and_wall import CENTER, RADIUS, BallAndWall

from mimic3d.cameras import orbit_cameras
from mimic3d.gallery.mesh import Mesh
from mimic3d.gallery.mesh_files import save_mesh
from mimic3d.metrics.views import unit_range
from mimic3d.surfaces.fusion import FusionConfig, fuse_views, view_colors
from mimic3d.surfaces.mesh_views import mesh_psnr, render_mesh
from mimic3d.surfaces.pose_range import PoseRange, grid_cameras
from mimic3d.surfaces.texture import texture_mesh

trimesh = pytest.importorskip("trimesh")
pytest.importorskip("xatlas")
pytest.importorskip("numba")


@pytest.fixture(scope="module")
def ball():
    """A ball of even colour per vertex, whose texture is to bring the pattern."""
    solid = trimesh.creation.icosphere(3, RADIUS)
    vertices = (solid.vertices + CENTER).astype(np.float32)
    grey = np.full((len(vertices), 3), 128, np.uint8)
    return Mesh(vertices, solid.faces.astype(np.int64), grey, (0.0, 0.0))


def exact_colors(points):
    return BallAndWall.colors(points)


@pytest.fixture(scope="module")
def textured(ball):
    return texture_mesh(ball, exact_colors, 128)


def test_charts_lie_in_the_image_and_the_surface_stays(ball, textured):
    uvs = textured.texture.uvs
    assert uvs.min() >= 0
    assert uvs.max() <= 1
    assert textured.texture.image.shape == (128, 128, 3)
    before = np.sort(ball.vertices[ball.faces].reshape(-1, 9), axis=0)
    after = np.sort(textured.vertices[textured.faces].reshape(-1, 9), axis=0)
    assert after == pytest.approx(before)
    corners = textured.vertices[textured.faces].mean(axis=1) - np.asarray(CENTER)
    normals = trimesh.Trimesh(textured.vertices, textured.faces, process=False).face_normals
    assert ((corners * normals).sum(axis=1) > 0).all()  # winding: outward


def test_no_two_charts_share_pixels(textured):
    corners = textured.texture.uvs[textured.faces] * 128  # f 3 2
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum() / 2
    assert 0.2 * 128**2 < area < 128**2


def test_the_texture_has_the_colours_of_the_surface(textured):
    rng = np.random.default_rng(0)
    weights = rng.dirichlet([1, 1, 1], len(textured.faces)).astype(np.float32)
    points = np.einsum("fcx,fc->fx", textured.vertices[textured.faces], weights)
    uvs = np.einsum("fcx,fc->fx", textured.texture.uvs[textured.faces], weights)
    shown = textured.texture.sample(uvs.astype(np.float32))
    expected = BallAndWall.colors(torch.from_numpy(points)).numpy()
    assert np.abs(shown - expected).mean() < 0.01


@pytest.mark.parametrize("is_textured", [True, False])
def test_pictures_are_those_of_the_object(ball, textured, scene, is_textured):
    mesh = textured
    if not is_textured:
        colors = BallAndWall.colors(torch.from_numpy(ball.vertices)) * 255
        mesh = Mesh(ball.vertices, ball.faces, colors.round().byte().numpy(), (0.0, 0.0))
    camera = orbit_cameras(torch.tensor([0.3]), torch.tensor([-0.1]), scene)
    shown = unit_range(render_mesh(mesh, camera, 64, 0.6))
    truth = unit_range(BallAndWall().render(camera, resolution=64).image)
    error = (shown - truth).square().mean()
    assert -10 * error.log10() > 28  # with a hard edge


def test_the_quality_of_a_mesh_is_taken_where_it_is(ball, textured, scene):
    cameras = grid_cameras(PoseRange(0.4, 0.2), scene)[:3]
    truths = [BallAndWall().render(cameras[i : i + 1], resolution=64).image for i in range(3)]
    fine, flat = mesh_psnr(textured, truths, cameras), mesh_psnr(ball, truths, cameras)
    assert min(fine) > 35  # no wall, no rim
    assert max(flat) < 20  # a grey ball


def test_another_library_opens_the_texture_where_it_was_laid(textured, tmp_path):
    save_mesh(textured, tmp_path / "a.glb")
    (opened,) = trimesh.load(tmp_path / "a.glb").geometry.values()
    assert opened.vertices == pytest.approx(textured.vertices)
    assert (opened.faces == textured.faces).all()
    uvs = opened.visual.uv * [1, -1] + [0, 1]
    assert uvs == pytest.approx(textured.texture.uvs, abs=1e-5)
    material = opened.visual.material
    assert (np.asarray(material.baseColorTexture) == textured.texture.image).all()
    assert (material.metallicFactor, material.roughnessFactor) == (0, 1)
    save_mesh(textured, tmp_path / "a.ply")
    assert trimesh.load(tmp_path / "a.ply").visual.vertex_colors[0, 0] == 128
    save_mesh(textured, tmp_path / "b.glb")
    assert (tmp_path / "a.glb").read_bytes() == (tmp_path / "b.glb").read_bytes()


def test_colours_of_views_are_those_of_the_surface(subject, scene):
    cfg = FusionConfig(resolution=32, view_resolution=96)
    cameras = grid_cameras(PoseRange(0.4, 0.2), scene)
    mesh = fuse_views(subject, cameras, scene, cfg)
    points = torch.from_numpy(mesh.vertices)
    front = (mesh.vertices[:, 2] > 0.18) & (np.hypot(*mesh.vertices[:, :2].T) < 0.1)
    colors = view_colors(subject, cameras, scene, cfg)(points[front])
    assert colors.numpy() == pytest.approx(subject.colors(points[front]).numpy(), abs=0.03)


def test_without_xatlas_the_way_out_is_named(ball, monkeypatch):
    monkeypatch.setattr("mimic3d.surfaces.texture.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"xatlas.*\[mesh\]"):
        texture_mesh(ball, exact_colors, 64)
