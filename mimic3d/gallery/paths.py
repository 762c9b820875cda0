"""Ways of the camera around an object, and of an object into others."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from mimic3d.cameras import Cameras, Scene, orbit_cameras
from mimic3d.gallery.config import GalleryConfig


def orbit_path(cfg: GalleryConfig, pitch_rad: float, scene: Scene) -> Cameras:
    """Cameras of the orbit video: a closed round through both sides, above and below."""
    return _swing(cfg, pitch_rad, scene, cfg.num_frames, num_rounds=1)


def interpolation_path(cfg: GalleryConfig, pitch_rad: float, scene: Scene) -> Cameras:
    """Cameras of the interpolation video: a closed round per two objects."""
    num_frames = cfg.interpolation_stops * cfg.interpolation_frames
    return _swing(cfg, pitch_rad, scene, num_frames, num_rounds=(cfg.interpolation_stops + 1) // 2)


def strip_path(cfg: GalleryConfig, pitch_rad: float, scene: Scene) -> Cameras:
    """Cameras of the orbit strip: from one side to the other at one height."""
    return sweep_path(cfg.yaw_rad, cfg.strip_views, pitch_rad, scene)


def epi_path(cfg: GalleryConfig, pitch_rad: float, scene: Scene) -> Cameras:
    """Cameras of the epipolar image: the same way as the strip, in small steps."""
    return sweep_path(cfg.yaw_rad, cfg.epi_views, pitch_rad, scene)


def sweep_path(yaw_rad: float, num_views: int, pitch_rad: float, scene: Scene) -> Cameras:
    """Cameras from -yaw to yaw in equal steps at one height."""
    yaw = torch.linspace(-yaw_rad, yaw_rad, num_views)
    return orbit_cameras(yaw, torch.full_like(yaw, pitch_rad), scene)


def _swing(
    cfg: GalleryConfig, pitch_rad: float, scene: Scene, num_frames: int, num_rounds: int
) -> Cameras:
    angle = torch.arange(num_frames) * (2 * math.pi * num_rounds / num_frames)
    return orbit_cameras(cfg.yaw_rad * angle.sin(), pitch_rad + cfg.pitch_rad * angle.cos(), scene)


def interpolate_styles(
    stops: Float[Tensor, "k l w_dim"], frames_per_stop: int
) -> Float[Tensor, "n l w_dim"]:
    """A closed way through styles without a kink: a periodic Catmull-Rom spline in w.

    Frame i * frames_per_stop is stop i; the last frame is one step before the first.
    """
    t = (torch.arange(frames_per_stop) / frames_per_stop).to(stops)[:, None, None, None]
    before, here = stops.roll(1, dims=0), stops
    there, beyond = stops.roll(-1, dims=0), stops.roll(-2, dims=0)
    slope_here, slope_there = (there - before) / 2, (beyond - here) / 2
    way = (
        (2 * t**3 - 3 * t**2 + 1) * here
        + (t**3 - 2 * t**2 + t) * slope_here
        + (3 * t**2 - 2 * t**3) * there
        + (t**3 - t**2) * slope_there
    )  # frames k l w_dim
    return way.transpose(0, 1).flatten(0, 1)
