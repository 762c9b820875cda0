import json
import struct
import sys

import numpy as np
import pytest
import torch

from mimic3d.gallery.mesh import MeshConfig, extract_mesh, generator_field, load_marching_cubes
from mimic3d.gallery.mesh_files import save_mesh

trimesh = pytest.importorskip("trimesh")
pytest.importorskip("skimage")

CENTER, RADIUS = np.array([0.15, -0.1, 0.05]), 0.2
CFG = MeshConfig(resolution=40, density=10)


def sphere(points):
    """A ball off the centre; red grows with x, green with y, blue with z; density 10 on it."""
    distance = (points - torch.tensor(CENTER, dtype=torch.float32)).norm(dim=-1)
    return 10 * torch.exp((RADIUS - distance) * 30), points + 0.5


def half_space(points):
    """Everything below y = 0.1."""
    return 10 * torch.exp((0.1 - points[:, 1]) * 30), torch.full_like(points, 0.5)


@pytest.fixture(scope="module")
def ball():
    return extract_mesh(sphere, 1.0, CFG)


def test_a_sphere_is_where_and_as_large_as_its_density_says(ball):
    offset = ball.vertices - CENTER
    assert np.linalg.norm(offset, axis=1) == pytest.approx(RADIUS, abs=1e-3)
    solid = trimesh.Trimesh(ball.vertices, ball.faces, process=False)
    assert solid.is_watertight
    assert solid.volume == pytest.approx(4 / 3 * np.pi * RADIUS**3, rel=0.02)  # outside is outside
    assert solid.center_mass == pytest.approx(CENTER, abs=1e-3)


def test_colours_are_those_of_the_field_at_the_vertices(ball):
    assert ball.colors / 255 == pytest.approx(ball.vertices + 0.5, abs=0.003)


def test_a_surface_that_leaves_the_box_is_cut_and_closed_there():
    mesh = extract_mesh(half_space, 2.0, CFG)
    solid = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    assert solid.is_watertight
    assert solid.bounds == pytest.approx(np.array([[-1, -1, -1], [1, 0.1, 1]]), abs=1e-3)
    assert solid.volume == pytest.approx(2 * 2 * 1.1, rel=0.01)


def test_a_threshold_that_nothing_reaches_gives_no_triangles_and_a_way_out(tmp_path):
    mesh = extract_mesh(sphere, 1.0, MeshConfig(resolution=16, density=1e9))
    assert len(mesh.faces) == 0
    with pytest.raises(ValueError, match=r"below the object's greatest, 1\.99e\+03 .*--density"):
        save_mesh(mesh, tmp_path / "a.ply")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", [".ply", ".glb"])
def test_files_hold_the_mesh_in_world_units(ball, tmp_path, suffix):
    for name in ("a", "b"):
        save_mesh(ball, tmp_path / f"{name}{suffix}")
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()
    solid = trimesh.load(tmp_path / f"a{suffix}", process=False, force="mesh")
    assert solid.vertices == pytest.approx(ball.vertices, abs=1e-6)
    assert (solid.faces == ball.faces).all()


def test_colours_in_ply_are_srgb_and_in_glb_linear_light(ball, tmp_path):
    for suffix in (".ply", ".glb"):
        save_mesh(ball, tmp_path / f"a{suffix}")
    ply = trimesh.load(tmp_path / "a.ply", process=False).visual.vertex_colors
    assert (ply[:, :3] == ball.colors).all()
    (glb,) = trimesh.load(tmp_path / "a.glb", process=False).geometry.values()
    linear = glb.visual.vertex_attributes["color"][:, :3] / 255
    shade = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    assert shade == pytest.approx(ball.colors / 255, abs=0.02)


def test_glb_files_are_matte(ball, tmp_path):
    save_mesh(ball, tmp_path / "a.glb")
    content = (tmp_path / "a.glb").read_bytes()
    (length,) = struct.unpack("<I", content[12:16])
    tree = json.loads(content[20 : 20 + length])
    assert tree["materials"][0]["pbrMetallicRoughness"] == {
        "metallicFactor": 0.0, "roughnessFactor": 1.0
    }  # fmt: skip
    assert tree["meshes"][0]["primitives"][0]["material"] == 0


def test_the_field_of_a_generator_is_what_it_renders(generator, monkeypatch):
    """Light absorbed along a ray through the field equals the alpha that the renderer finds."""
    from mimic3d.cameras import orbit_cameras
    from mimic3d.rays import cast_rays

    label = orbit_cameras(torch.zeros(1), torch.zeros(1), generator.scene)
    ws = generator.mapping(torch.randn(1, 8), label.labels())
    field = generator_field(generator, ws)
    rays = cast_rays(label, 4)
    depths = torch.linspace(generator.scene.near, generator.scene.far, 2001)
    points = rays.origins[0, :, None] + depths[:, None] * rays.directions[0, :, None]
    density, color = field(points.reshape(-1, 3))
    optical = torch.trapezoid(density.reshape(16, -1), depths, dim=1)
    planes = generator.synthesize_planes(ws, True, "const")
    alpha = generator.render_3d(planes, label, 4).alpha.flatten()
    torch.testing.assert_close(1 - torch.exp(-optical), alpha, atol=0.05, rtol=0)
    monkeypatch.setattr("mimic3d.networks.objects.CHUNK_FLOATS", 5000)
    again = generator_field(generator, ws)(points.reshape(-1, 3))
    torch.testing.assert_close(again, (density, color))


@pytest.mark.parametrize("missing", ["trimesh", "skimage.measure"])
def test_without_the_libraries_the_way_out_is_named(monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ValueError, match=r"\[export\].*num_meshes=0"):
        load_marching_cubes()
