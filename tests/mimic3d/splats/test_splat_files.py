"""Files of splats, read again by others and against the texts that define them."""

import json
import struct

import numpy as np
import pytest
import torch

from mimic3d.splats.files import save_splats, splat_glb, splat_ply
from mimic3d.splats.splats import Splats

SH_0 = 0.5 / np.sqrt(np.pi)


@pytest.fixture
def splats():
    rng = torch.Generator().manual_seed(0)
    rotations = torch.nn.functional.normalize(torch.randn(7, 4, generator=rng), dim=-1)
    scales, opacities = torch.rand(7, 3, generator=rng) + 0.01, torch.rand(7, generator=rng)
    colors = torch.rand(7, 3, generator=rng)
    return Splats(torch.randn(7, 3, generator=rng), rotations, scales, opacities, colors)


def test_another_program_reads_the_ply(splats, tmp_path):
    plyfile = pytest.importorskip("plyfile")
    save_splats(splats, tmp_path / "a.ply")
    vertex = plyfile.PlyData.read(tmp_path / "a.ply")["vertex"]

    def columns(*names):
        return np.stack([vertex[name] for name in names], axis=-1)

    assert columns("x", "y", "z") == pytest.approx(splats.centers.numpy())
    rotations = columns("rot_0", "rot_1", "rot_2", "rot_3")
    assert rotations == pytest.approx(splats.rotations.numpy())
    scales = np.exp(columns("scale_0", "scale_1", "scale_2"))
    assert scales == pytest.approx(splats.scales.numpy(), rel=1e-5)
    opacities = 1 / (1 + np.exp(-vertex["opacity"]))
    assert opacities == pytest.approx(splats.opacities.numpy(), abs=1e-5)
    colors = columns("f_dc_0", "f_dc_1", "f_dc_2") * SH_0 + 0.5
    assert colors == pytest.approx(splats.colors.numpy(), abs=1e-5)


def test_a_library_of_splats_reads_the_ply(splats, tmp_path):
    gsply = pytest.importorskip("gsply")
    save_splats(splats, tmp_path / "a.ply")
    opened = gsply.plyread(str(tmp_path / "a.ply"))
    assert np.asarray(opened.means) == pytest.approx(splats.centers.numpy())
    assert np.asarray(opened.scales) == pytest.approx(splats.scales.log().numpy(), abs=1e-5)
    assert np.asarray(opened.quats) == pytest.approx(splats.rotations.numpy())
    logits = torch.logit(splats.opacities).numpy()
    assert np.asarray(opened.opacities).ravel() == pytest.approx(logits, abs=1e-4)
    colors = np.asarray(opened.sh0).reshape(-1, 3) * SH_0 + 0.5
    assert colors == pytest.approx(splats.colors.numpy(), abs=1e-5)


def test_a_mesh_library_reads_the_ply_as_points(splats, tmp_path):
    trimesh = pytest.importorskip("trimesh")
    save_splats(splats, tmp_path / "a.ply")
    cloud = trimesh.load(tmp_path / "a.ply")
    assert cloud.vertices == pytest.approx(splats.centers.numpy(), abs=1e-6)


def parse_glb(data):
    magic, version, length = struct.unpack("<4sII", data[:12])
    assert (magic, version, length) == (b"glTF", 2, len(data))
    (size, kind) = struct.unpack("<I4s", data[12:20])
    tree = json.loads(data[20 : 20 + size])
    (binary_size, binary_kind) = struct.unpack("<I4s", data[20 + size : 28 + size])
    assert (kind, binary_kind) == (b"JSON", b"BIN\0")
    assert size % 4 == binary_size % 4 == 0
    return tree, data[28 + size : 28 + size + binary_size]


def test_the_glb_has_what_the_extension_asks_for(splats):
    tree, binary = parse_glb(splat_glb(splats))
    assert tree["extensionsUsed"] == ["KHR_gaussian_splatting"]
    (primitive,) = tree["meshes"][0]["primitives"]
    assert primitive["mode"] == 0  # POINTS
    extension = primitive["extensions"]["KHR_gaussian_splatting"]
    assert extension == {"kernel": "ellipse", "colorSpace": "srgb_rec709_display"}

    def attribute(name, kind):
        accessor = tree["accessors"][primitive["attributes"][name]]
        assert (accessor["type"], accessor["componentType"], accessor["count"]) == (kind, 5126, 7)
        view = tree["bufferViews"][accessor["bufferView"]]
        assert view["byteOffset"] % 4 == 0
        content = binary[view["byteOffset"] : view["byteOffset"] + view["byteLength"]]
        return np.frombuffer(content, "<f4").reshape(7, -1)

    prefix = "KHR_gaussian_splatting:"
    rotation = attribute(prefix + "ROTATION", "VEC4")
    assert rotation[:, 3] == pytest.approx(splats.rotations[:, 0].numpy())  # x y z w
    assert rotation[:, :3] == pytest.approx(splats.rotations[:, 1:].numpy())
    assert attribute(prefix + "SCALE", "VEC3") == pytest.approx(splats.scales.numpy())
    opacity = attribute(prefix + "OPACITY", "SCALAR")[:, 0]
    assert opacity == pytest.approx(splats.opacities.numpy())
    color = attribute(prefix + "SH_DEGREE_0_COEF_0", "VEC3") * SH_0 + 0.5
    assert color == pytest.approx(splats.colors.numpy(), abs=1e-5)
    assert attribute("COLOR_0", "VEC4")[:, 3] == pytest.approx(splats.opacities.numpy())
    positions = tree["accessors"][primitive["attributes"]["POSITION"]]
    assert positions["min"] == pytest.approx(splats.centers.amin(0).tolist())
    assert positions["max"] == pytest.approx(splats.centers.amax(0).tolist())


def test_a_mesh_library_reads_the_glb_as_points(splats, tmp_path):
    trimesh = pytest.importorskip("trimesh")
    save_splats(splats, tmp_path / "a.glb")
    (cloud,) = trimesh.load(tmp_path / "a.glb").geometry.values()
    assert cloud.vertices == pytest.approx(splats.centers.numpy(), abs=1e-6)


def test_bytes_are_the_same_every_time_and_other_suffixes_are_refused(splats, tmp_path):
    assert splat_ply(splats) == splat_ply(splats)
    assert splat_glb(splats) == splat_glb(splats)
    with pytest.raises(ValueError, match=r"\.ply or \.glb"):
        save_splats(splats, tmp_path / "a.splat")
