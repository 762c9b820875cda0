"""Pictures of what a generator makes: both branches side by side, and the orbit around a sample."""

import math
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from PIL import Image
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt
from torch import Tensor
from torch.nn import functional as F

from mimic3d.atomic import atomic_file
from mimic3d.cameras import Cameras, Scene, orbit_cameras
from mimic3d.config import Config
from mimic3d.metrics.features import to_uint8
from mimic3d.networks.generator import Generator, View
from mimic3d.rendering.triplane import Planes

# nine colours of matplotlib's viridis (CC0), far to near: lightness rises evenly
DEPTH_COLORS = (
    (68, 1, 84), (71, 44, 122), (59, 81, 139), (44, 113, 142), (33, 144, 141),
    (39, 173, 129), (92, 200, 99), (170, 220, 50), (253, 231, 37),
)  # fmt: skip
SMALLEST_FRAME = 256  # rows; smaller videos are enlarged, or players blur them


class GalleryConfig(Config):
    """The pictures and the video of an evaluation."""

    num_samples: PositiveInt = 16
    """Samples in the grid."""
    columns: PositiveInt = 4
    """Samples in a row of the grid."""
    strip_views: int = Field(default=7, ge=2)
    """Views in the orbit strip."""
    num_frames: int = Field(default=48, ge=2)
    """Frames of the orbit video, one closed round."""
    frames_per_second: PositiveInt = 24
    """Speed of the video."""
    yaw_rad: PositiveFloat = 0.4
    """How far the orbit swings to either side."""
    pitch_rad: NonNegativeFloat = 0.1
    """How far the orbit of the video swings up and down."""


@dataclass(frozen=True)
class Comparison:
    """The same objects from the same cameras by both branches, and their depth in colours."""

    branch_2d: Float[Tensor, "n 3 h w"]
    branch_3d: Float[Tensor, "n 3 h w"]
    depth: Float[Tensor, "n 3 h w"]

    def side_by_side(self) -> Float[Tensor, "n 3 h w3"]:
        """2D | 3D | depth."""
        return torch.cat([self.branch_2d, self.branch_3d, self.depth], dim=3)

    def stacked(self) -> Float[Tensor, "n 3 h3 w"]:
        """2D above 3D above depth."""
        return torch.cat([self.branch_2d, self.branch_3d, self.depth], dim=2)


def compare_branches(
    G: Generator, ws: Float[Tensor, "n l w_dim"], cameras: Cameras, batch: int
) -> Comparison:
    """One object per camera, by both branches at image resolution, on the CPU."""
    parts = []
    for start in range(0, len(cameras), batch):
        some = slice(start, start + batch)
        planes = G.synthesize_planes(ws[some], detail=True, noise="const")
        parts.append(_render_both(G, planes, ws[some], cameras[some]))
    return _compare(parts)


def compare_orbit(
    G: Generator, ws: Float[Tensor, "1 l w_dim"], cameras: Cameras, batch: int
) -> Comparison:
    """One object from many cameras, by both branches at image resolution, on the CPU."""
    planes = G.synthesize_planes(ws, detail=True, noise="const")
    parts = []
    for start in range(0, len(cameras), batch):
        some = cameras[start : start + batch]
        repeated = tuple(level.expand(len(some), -1, -1, -1, -1) for level in planes)
        parts.append(_render_both(G, repeated, ws.expand(len(some), -1, -1), some))
    return _compare(parts)


def _render_both(
    G: Generator, planes: Planes, ws: Float[Tensor, "n l w_dim"], cameras: Cameras
) -> tuple[Float[Tensor, "n 3 h w"], View]:
    flat = G.render_2d(planes, ws, cameras).image
    view = G.render_3d(planes, cameras, G.config.image_resolution)
    return flat.cpu(), View(view.image.cpu(), view.depth.cpu(), view.alpha.cpu())


def _compare(parts: list[tuple[Float[Tensor, "_ 3 h w"], View]]) -> Comparison:
    depth = torch.cat([view.depth for _, view in parts])
    near, far = depth_limits(depth, torch.cat([view.alpha for _, view in parts]))
    return Comparison(
        torch.cat([flat for flat, _ in parts]),
        torch.cat([view.image for _, view in parts]),
        color_depth(depth, near, far),
    )


def depth_limits(
    depth: Float[Tensor, "n 1 h w"], alpha: Float[Tensor, "n 1 h w"]
) -> tuple[float, float]:
    """The range that most of what is visible lies in: 1st and 99th percentile, world units."""
    visible = depth[alpha > 0.5]
    if len(visible) == 0:
        visible = depth.flatten()
    near, far = np.percentile(visible.numpy(), [1, 99])
    return float(near), float(far)


def color_depth(
    depth: Float[Tensor, "n 1 h w"], near: float, far: float
) -> Float[Tensor, "n 3 h w"]:
    """Depth in colours of evenly rising lightness, yellow at `near` and violet at `far`."""
    colors = torch.tensor(DEPTH_COLORS, dtype=torch.float32, device=depth.device) / 127.5 - 1
    height = ((far - depth[:, 0]) / max(far - near, 1e-6)).clamp(0, 1) * (len(colors) - 1)
    below = height.floor().long().clamp(max=len(colors) - 2)
    share = (height - below)[..., None]
    mixed = colors[below] * (1 - share) + colors[below + 1] * share
    return rearrange(mixed, "n h w c -> n c h w")


def orbit_path(cfg: GalleryConfig, pitch_rad: float, scene: Scene) -> Cameras:
    """Cameras of the video: a closed round through both sides, above and below."""
    angle = torch.arange(cfg.num_frames) * (2 * math.pi / cfg.num_frames)
    return orbit_cameras(cfg.yaw_rad * angle.sin(), pitch_rad + cfg.pitch_rad * angle.cos(), scene)


def strip_path(cfg: GalleryConfig, pitch_rad: float, scene: Scene) -> Cameras:
    """Cameras of the orbit strip: from one side to the other at one height."""
    yaw = torch.linspace(-cfg.yaw_rad, cfg.yaw_rad, cfg.strip_views)
    return orbit_cameras(yaw, torch.full_like(yaw, pitch_rad), scene)


def image_grid(images: Float[Tensor, "n 3 h w"], columns: int) -> Image.Image:
    """Images in [-1, 1] row by row; places left over are black."""
    missing = -len(images) % columns
    filled = F.pad(images, (0, 0, 0, 0, 0, 0, 0, missing), value=-1.0)
    pixels = rearrange(to_uint8(filled), "(r k) c h w -> (r h) (k w) c", k=columns)
    return Image.fromarray(pixels.cpu().numpy())


def save_png(image: Image.Image, path: Path) -> None:
    """Write a picture atomically."""
    with atomic_file(path) as draft:
        image.save(draft, format="PNG")


def load_video_writer() -> ModuleType:
    """The module that writes videos, which is an optional dependency.

    Raises:
        ValueError: it is not installed, or brings no ffmpeg for this platform.
    """
    try:
        import imageio_ffmpeg

        imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError) as error:
        raise ValueError(
            f"evaluate.video needs imageio-ffmpeg, which is missing ({error}); "
            f"pip install -e '.[export]', or set evaluate.video=false"
        ) from error
    return imageio_ffmpeg


def save_video(frames: Float[Tensor, "n 3 h w"], path: Path, frames_per_second: int) -> None:
    """Write frames in [-1, 1] as an H.264 MP4, atomically; small ones are enlarged.

    Raises:
        ValueError: imageio-ffmpeg is missing.
    """
    writer_module = load_video_writer()
    scale = math.ceil(SMALLEST_FRAME / frames.shape[2])
    height, width = frames.shape[2] * scale, frames.shape[3] * scale
    with atomic_file(path) as draft:
        writer = writer_module.write_frames(
            str(draft), (width, height), fps=frames_per_second, codec="libx264",
            quality=8, macro_block_size=2,
        )  # fmt: skip
        writer.send(None)
        for frame in frames:
            large = F.interpolate(frame[None], scale_factor=scale, mode="nearest")
            pixels = rearrange(to_uint8(large)[0], "c h w -> h w c").cpu().numpy()
            writer.send(np.ascontiguousarray(pixels))
        writer.close()
