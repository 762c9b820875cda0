import re

import pytest
import torch
from torch import Tensor, nn

from mimic3d.cameras import Cameras, Scene, orbit_cameras, pinhole
from mimic3d.metrics.faces import (
    FaceNetworkConfig,
    arcface_similarity,
    deep3d_angles,
    deep3d_scores,
    load_face_network,
)
from mimic3d.metrics.views import PosedView

CPU = torch.device("cpu")
KEY = "evaluate.arcface"


class MeanColors(nn.Module):
    """Stands in for ArcFace: embeds a picture by the colours of its quarters."""

    def forward(self, images: Tensor) -> Tensor:
        assert images.shape[1:] == (3, 112, 112)
        return nn.functional.adaptive_avg_pool2d(images, 2).flatten(1)


class Remembers(nn.Module):
    """Stands in for Deep3DFaceRecon: answers what it was told, whatever it sees."""

    angles: Tensor
    depth: Tensor
    mask: Tensor

    def __init__(self, angles: Tensor, depth: Tensor, mask: Tensor):
        super().__init__()
        self.register_buffer("angles", angles)
        self.register_buffer("depth", depth)
        self.register_buffer("mask", mask)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        assert images.min() >= 0
        return self.angles, self.depth, self.mask


class Nested(nn.Module):
    def forward(self, images: Tensor) -> list[Tensor]:
        return [images]


def stored(network, folder):
    """The network as a user brings it: a file."""
    torch.jit.script(network).save(str(folder / "network.pt"))
    cfg = FaceNetworkConfig(weights=str(folder / "network.pt"))
    return load_face_network(cfg, folder, CPU, KEY)


def test_likeness_of_faces(tmp_path):
    network = stored(MeanColors(), tmp_path)
    a, b = (torch.rand(3, 3, 128, 128) * 2 - 1 for _ in range(2))
    b[0], b[1] = a[0], -a[1]
    found = arcface_similarity(network, a, b, FaceNetworkConfig())
    assert found[:2].tolist() == pytest.approx([1, -1], abs=1e-5)
    assert abs(found[2]) < 1
    torch.testing.assert_close(arcface_similarity(network, b, a, FaceNetworkConfig()), found)


def test_only_the_crop_is_seen(tmp_path):
    network = stored(MeanColors(), tmp_path)
    a = torch.rand(1, 3, 64, 64)
    b = torch.rand(1, 3, 64, 64)
    b[..., 16:48, 8:40] = a[..., 16:48, 8:40]
    crop = FaceNetworkConfig(left=0.125, top=0.25, side=0.5)
    assert arcface_similarity(network, a, b, crop).item() == pytest.approx(1, abs=1e-6)
    assert arcface_similarity(network, a, b, FaceNetworkConfig()).item() < 0.9999
    with pytest.raises(ValueError, match="left \\+ side and top \\+ side must not exceed 1"):
        FaceNetworkConfig(left=0.6, side=0.5)


def view():
    """A slanted surface of known depth along the optical axis, and what Deep3D should say."""
    cameras = orbit_cameras(torch.tensor([0.3, -0.2]), torch.tensor([0.1, 0.0]), Scene())
    side = 224
    row = torch.linspace(-1, 1, side)
    along = 2.6 + 0.1 * row[:, None] * row + 0.05 * row  # h w
    u = (torch.arange(side) + 0.5) / side - 0.5
    stretch = (1 + (u / Scene().focal) ** 2 + (u[:, None] / Scene().focal) ** 2).sqrt()
    depth = (along * stretch).expand(2, 1, side, side)
    mask = torch.zeros(2, 1, side, side)
    mask[..., 60:160, 70:150] = 1
    image = torch.rand(2, 3, side, side) * 2 - 1
    return PosedView(image, depth, torch.ones_like(depth), cameras), along.expand_as(depth), mask


def test_pose_and_depth_of_a_true_face(tmp_path):
    seen, along, mask = view()
    angles = deep3d_angles(seen.cameras)
    network = stored(Remembers(angles, 7 * along - 3, mask), tmp_path)  # neither scale nor origin
    found = deep3d_scores(network, seen, FaceNetworkConfig())
    assert found.deep3d_pose.max() < 1e-10
    assert found.deep3d_depth.max() < 1e-5


def test_errors_of_pose_and_depth_by_hand(tmp_path):
    seen, along, mask = view()
    angles = deep3d_angles(seen.cameras) + torch.tensor([0.3, 0.0, 0.0])
    network = stored(Remembers(angles, -along, mask), tmp_path)
    found = deep3d_scores(network, seen, FaceNetworkConfig())
    torch.testing.assert_close(found.deep3d_pose, torch.full((2,), 0.03))
    torch.testing.assert_close(found.deep3d_depth, torch.full((2,), 4.0), rtol=1e-4, atol=0)


def turn(axis, angle):
    c, s = torch.tensor(angle).cos(), torch.tensor(angle).sin()
    i, j = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    matrix = torch.eye(3)
    matrix[i, i] = matrix[j, j] = c
    matrix[i, j], matrix[j, i] = -s, s
    return matrix


@pytest.mark.parametrize("angles", [(0.1, -0.35, 0.05), (0.0, 0.3, 0.0), (-0.2, 0.7, -0.4)])
def test_angles_are_those_that_turn_the_face(angles):
    """Deep3D: a row vector p becomes p (Rz Ry Rx)^T; its camera has y up and looks along -z."""
    pitch, yaw, roll = angles
    rotation = (turn("z", roll) @ turn("y", yaw) @ turn("x", pitch)).T
    cam2world = torch.eye(4)[None].clone()
    cam2world[0, :3, :3] = rotation @ torch.diag(torch.tensor([1.0, -1.0, -1.0]))
    found = deep3d_angles(Cameras(cam2world, pinhole(4.0)))
    torch.testing.assert_close(found[0], torch.tensor(angles))


def test_a_camera_on_the_left_sees_a_yaw_of_the_other_sign():
    cameras = orbit_cameras(torch.tensor([0.3, 0.0]), torch.tensor([0.0, 0.2]), Scene())
    torch.testing.assert_close(
        deep3d_angles(cameras), torch.tensor([[0.0, -0.3, 0.0], [0.2, 0.0, 0.0]]), atol=1e-6, rtol=0
    )


def test_no_weights_no_score(tmp_path):
    with pytest.raises(ValueError, match=re.escape(f"{KEY}.weights must name a TorchScript file")):
        load_face_network(FaceNetworkConfig(), tmp_path, CPU, KEY)


def test_a_missing_file_and_one_that_is_no_torchscript(tmp_path):
    missing = FaceNetworkConfig(weights=str(tmp_path / "none.pt"))
    with pytest.raises(ValueError, match=re.escape(f"{KEY}.weights must be a URL or the path")):
        load_face_network(missing, tmp_path, CPU, KEY)
    torch.save({"weight": torch.zeros(1)}, tmp_path / "state.pt")
    other = FaceNetworkConfig(weights=str(tmp_path / "state.pt"))
    with pytest.raises(ValueError, match="must be a TorchScript file"):
        load_face_network(other, tmp_path, CPU, KEY)


def test_networks_of_another_kind_are_refused(tmp_path):
    seen, along, mask = view()
    nested = stored(Nested(), tmp_path)
    with pytest.raises(ValueError, match=r"images n 3 112 112 to n d, gave a list"):
        arcface_similarity(nested, seen.image, seen.image, FaceNetworkConfig())
    flat = stored(nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten()), tmp_path)
    with pytest.raises(ValueError, match=r"n 1 224 224, gave \[2, 12\]"):
        deep3d_scores(flat, seen, FaceNetworkConfig())
    angles, narrow = deep3d_angles(seen.cameras), along[..., :100].contiguous()
    cut = stored(Remembers(angles, narrow, mask), tmp_path)
    with pytest.raises(ValueError, match=r"gave \[2, 1, 224, 100\]"):
        deep3d_scores(cut, seen, FaceNetworkConfig())
