"""Cameras of the settings, and the settings of where the mouse has put a camera."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from mimic3d.cameras import (
    Cameras,
    Point,
    Scene,
    cameras_from_labels,
    focal_from_fov,
    orbit_cameras,
    pinhole,
    position_angles,
)
from tools.view.settings import ViewSettings
from tools.view.subject import Subject

STEEPEST_RAD = 1.5
NEAREST, FARTHEST = 0.05, 10.0


def view_camera(settings: ViewSettings, subject: Subject) -> Cameras:
    """The camera of the settings: of an image of the dataset, or where the mouse has put it.

    Raises:
        ValueError: the image is none of the dataset, or that is not at hand.
    """
    if settings.image >= 0:
        return subject.dataset_camera(settings.image)
    return orbit_camera(settings, subject.G.scene).to(subject.device)


def orbit_camera(settings: ViewSettings, scene: Scene) -> Cameras:
    """The camera of yaw, pitch, distance, shift and field of view."""
    yaw, pitch = torch.tensor([settings.yaw_rad]), torch.tensor([settings.pitch_rad])
    camera = orbit_cameras(yaw, pitch, scene)
    pivot = torch.tensor(scene.pivot)
    position = pivot + settings.distance * (camera.centers - pivot) + torch.tensor(settings.shift)
    cam2world = camera.cam2world.clone()
    cam2world[:, :3, 3] = position
    if settings.fov_deg:
        return Cameras(cam2world, pinhole(focal_from_fov(math.radians(settings.fov_deg))))
    return Cameras(cam2world, camera.intrinsics)


def camera_settings(position: Point, look_at: Point, scene: Scene) -> dict[str, object]:
    """Settings whose camera stands and looks there, as near as they allow; inverse of the above.

    A ray from the pivot to the camera leaves the sphere of the data's cameras at the yaw and pitch.
    """
    pivot, center = (
        torch.tensor(x, dtype=torch.float64) for x in (scene.pivot, scene.orbit_center)
    )
    shift = torch.tensor(look_at, dtype=torch.float64) - pivot
    offset = torch.tensor(position, dtype=torch.float64) - shift - pivot
    distance = float(offset.norm().clamp(min=1e-6))
    outward, inside = offset / distance, pivot - center
    along = float(outward @ inside)
    radius = -along + math.sqrt(max(0.0, along**2 - float(inside @ inside) + scene.radius**2))
    yaw, pitch, _ = position_angles(_camera_at(pivot + radius * outward), scene.orbit_center)
    return {
        "image": -1,
        "yaw_rad": round(float(yaw), 4),
        "pitch_rad": round(float(pitch.nan_to_num().clamp(-STEEPEST_RAD, STEEPEST_RAD)), 4),
        "distance": round(min(max(distance / radius, NEAREST), FARTHEST), 4),
        "shift": tuple(round(x, 4) + 0.0 for x in shift.tolist()),
    }


def average_angles(subject: Subject) -> dict[str, object]:
    """Settings of the mean camera label of the dataset."""
    camera = cameras_from_labels(subject.average_label.cpu())
    yaw, pitch, _ = position_angles(camera, subject.G.scene.orbit_center)
    return {"yaw_rad": round(float(yaw), 4), "pitch_rad": round(float(pitch.nan_to_num()), 4)}


def _camera_at(position: Float[Tensor, "3"]) -> Cameras:
    cam2world = torch.eye(4, dtype=torch.float64)[None].clone()
    cam2world[0, :3, 3] = position
    return Cameras(cam2world, torch.eye(3, dtype=torch.float64)[None])
