"""Cameras and the label that conditions the networks; every conversion between them lives here."""

import math
from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Float, Int
from pydantic import PositiveFloat, model_validator
from torch import Tensor

from mimic3d.config import Config

FFHQ_FOCAL = 4.2647  # of EG3D's FFHQ and AFHQ crops: 2985.29 / 700 pixels

Point = tuple[float, float, float]


class Scene(Config):
    """Places of the cameras and of the object; a prepared dataset records them."""

    radius: PositiveFloat = 2.7
    """Distance of the cameras from `orbit_center`, world units."""
    orbit_center: Point = (0.0, 0.0, 0.2)
    """Centre of the sphere of cameras; EG3D's labels have (0, 0, 0)."""
    pivot: Point = (0.0, 0.0, 0.2)
    """Point the cameras look at."""
    focal: PositiveFloat = FFHQ_FOCAL
    """Focal length divided by the image width, of orbits rendered for viewing."""
    near: PositiveFloat = 2.25
    """Distance along a ray where sampling starts."""
    far: PositiveFloat = 3.3
    """Distance along a ray where sampling ends."""
    box_warp: PositiveFloat = 1.0
    """Side of the cube around the world origin that the tri-planes span."""
    white_back: bool = False
    """True to composite onto white; otherwise the background is learnt inside the box."""

    @model_validator(mode="after")
    def _near_before_far(self) -> "Scene":
        if self.near >= self.far:
            raise ValueError(f"near must be smaller than far = {self.far}, is {self.near}")
        return self


@dataclass(frozen=True)
class Cameras:
    """A batch of pinhole cameras: OpenCV axes, camera to world, intrinsics normalised by width."""

    cam2world: Float[Tensor, "n 4 4"]
    intrinsics: Float[Tensor, "n 3 3"]

    def __len__(self) -> int:
        return self.cam2world.shape[0]

    def __getitem__(self, index: slice | Int[Tensor, " m"]) -> "Cameras":
        return Cameras(self.cam2world[index], self.intrinsics[index])

    @property
    def centers(self) -> Float[Tensor, "n 3"]:
        """Positions in the world."""
        return self.cam2world[:, :3, 3]

    def to(self, device: torch.device | str, dtype: torch.dtype = torch.float32) -> "Cameras":
        """Copy of the cameras on another device."""
        return Cameras(self.cam2world.to(device, dtype), self.intrinsics.to(device, dtype))

    def labels(self) -> Float[Tensor, "n 25"]:
        """The label c: 16 numbers cam2world and 9 numbers intrinsics, row by row (EG3D)."""
        return torch.cat([self.cam2world.flatten(1), self.intrinsics.flatten(1)], dim=1)


def cameras_from_labels(c: Float[Tensor, "n 25"]) -> Cameras:
    """Inverse of `Cameras.labels`."""
    return Cameras(c[:, :16].reshape(-1, 4, 4), c[:, 16:].reshape(-1, 3, 3))


def pinhole(focal: float, num: int = 1) -> Float[Tensor, "n 3 3"]:
    """Normalised intrinsics with the principal point in the middle."""
    return torch.tensor([[focal, 0, 0.5], [0, focal, 0.5], [0, 0, 1]]).repeat(num, 1, 1)


def focal_from_fov(fov_rad: float) -> float:
    """Normalised focal length of a horizontal field of view."""
    return 0.5 / math.tan(fov_rad / 2)


def orbit_cameras(
    yaw_rad: Float[Tensor, " n"], pitch_rad: Float[Tensor, " n"], scene: Scene
) -> Cameras:
    """Cameras on the scene's sphere that look at its pivot, upright.

    Positive yaw stands on the world's +x side (the subject's left), positive pitch above; both are
    true angles about `orbit_center`. Yaw 0 and pitch 0 is the frontal camera, rotation
    diag(1, -1, -1).
    """
    yaw, pitch = yaw_rad.double(), pitch_rad.double()
    outward = torch.stack(
        [yaw.sin() * pitch.cos(), pitch.sin(), yaw.cos() * pitch.cos()], dim=-1
    )  # n 3
    center = torch.tensor(scene.orbit_center, dtype=torch.float64, device=yaw.device)
    pivot = torch.tensor(scene.pivot, dtype=torch.float64, device=yaw.device)
    position = center + scene.radius * outward
    forward = torch.nn.functional.normalize(pivot - position, dim=-1)
    up = torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64, device=yaw.device).expand_as(forward)
    right = torch.nn.functional.normalize(torch.linalg.cross(forward, up), dim=-1)
    down = torch.linalg.cross(forward, right)
    cam2world = torch.eye(4, dtype=torch.float64, device=yaw.device).repeat(len(yaw), 1, 1)
    cam2world[:, :3] = torch.stack([right, down, forward, position], dim=-1)
    intrinsics = pinhole(scene.focal, len(yaw)).to(yaw.device)
    return Cameras(cam2world.float(), intrinsics)


def position_angles(
    cameras: Cameras, center: Point
) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"], Float[Tensor, " n"]]:
    """Yaw and pitch (rad) of the camera positions about a centre, and their distance from it."""
    offset = cameras.centers - cameras.centers.new_tensor(center)
    radius = offset.norm(dim=-1)
    yaw = torch.atan2(offset[:, 0], offset[:, 2])
    pitch = torch.asin((offset[:, 1] / radius).clamp(-1, 1))
    return yaw, pitch, radius


def rotation_angles(
    cameras: Cameras,
) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"], Float[Tensor, " n"]]:
    """Yaw, pitch and roll (rad) of the viewing directions; roll 0 is upright."""
    backward = -cameras.cam2world[:, :3, 2]
    yaw = torch.atan2(backward[:, 0], backward[:, 2])
    pitch = torch.asin(backward[:, 1].clamp(-1, 1))
    up = cameras.cam2world[:, 1, :3]  # the world's up in camera axes
    return yaw, pitch, -torch.atan2(up[:, 0], -up[:, 1])


def mirror_cameras(cameras: Cameras) -> Cameras:
    """Cameras of the left-right mirrored images.

    F C F with F = diag(-1, 1, 1, 1); the principal point and the skew mirror too, which EG3D leaves
    out.
    """
    flip = torch.ones_like(cameras.cam2world)
    flip[:, 0, 1:] = -1
    flip[:, 1:, 0] = -1
    intrinsics = cameras.intrinsics.clone()
    intrinsics[:, 0, 1] *= -1
    intrinsics[:, 0, 2] = 1 - intrinsics[:, 0, 2]
    return Cameras(cameras.cam2world * flip, intrinsics)


def project(
    points: Float[Tensor, "n m 3"], cameras: Cameras
) -> tuple[Float[Tensor, "n m 2"], Float[Tensor, "n m"]]:
    """World points to image positions (u, v), both 0..1 inside the image, and their z-depth."""
    rotation = cameras.cam2world[:, :3, :3]
    local = (points - cameras.centers[:, None]) @ rotation  # n m 3, camera axes
    depth = local[..., 2]
    pixels = (local / depth[..., None]) @ rearrange(cameras.intrinsics, "n i j -> n j i")
    return pixels[..., :2], depth
