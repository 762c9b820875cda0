"""Files that a viewer saves, as bytes for the browser."""

import math
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from einops import rearrange
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from mimic3d.gallery.mesh import load_marching_cubes
from mimic3d.gallery.video import load_video_writer, save_video
from mimic3d.networks.generator import Generator
from mimic3d.splats.rasterize import check_rasterizer
from mimic3d.surfaces.pose_range import PoseRange, pose_range
from tools.render_shapes import export_mesh, export_splats
from tools.view.cameras import view_camera
from tools.view.drawing import draw
from tools.view.session import full_resolution
from tools.view.settings import ViewSettings
from tools.view.subject import Subject

FRAMES, FPS = 48, 24
ORBIT_YAW_RAD, ORBIT_PITCH_RAD = 0.4, 0.1  # to either side of the view

Subjects = tuple[Subject, ...]


def make_file(kind: str, subjects: Subjects, settings: ViewSettings) -> tuple[str, bytes]:
    """Name and content of a file of the first subject, or of the picture.

    Raises:
        ValueError: an optional dependency is missing, or there is no surface.
    """
    save = SAVES[kind]
    name = f"seed{settings.seed:04d}.{kind.split()[-1].lower()}"
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        path = Path(folder) / name
        save(subjects, settings, path)
        return name, path.read_bytes()


def save_picture(subjects: Subjects, settings: ViewSettings, path: Path) -> None:
    """Writes the picture at rest as PNG."""
    picture = draw(subjects, settings, full_resolution(settings))
    Image.fromarray(picture.pixels).save(path, "PNG")


def _save_orbit(subjects: Subjects, settings: ViewSettings, path: Path) -> None:
    load_video_writer()

    def frame(angle: float) -> Tensor:
        turned = {
            "image": -1,
            "yaw_rad": settings.yaw_rad + ORBIT_YAW_RAD * math.sin(angle),
            "pitch_rad": settings.pitch_rad + ORBIT_PITCH_RAD * math.cos(angle),
        }
        at = settings.model_copy(update=turned)
        pixels = draw(subjects, at, full_resolution(at)).pixels
        return rearrange(torch.from_numpy(pixels.copy()), "h w c -> c h w") / 127.5 - 1

    save_video((frame(2 * math.pi * at / FRAMES) for at in range(FRAMES)), path, FPS)


def _save_mesh(subjects: Subjects, settings: ViewSettings, path: Path) -> None:
    load_marching_cubes()
    export_mesh(*_object(subjects[0], settings, path))


def _save_splats(subjects: Subjects, settings: ViewSettings, path: Path) -> None:
    check_rasterizer()
    export_splats(*_object(subjects[0], settings, path))


def _object(
    subject: Subject, settings: ViewSettings, path: Path
) -> tuple[Generator, Float[Tensor, "1 l w_dim"], list[Path], PoseRange]:
    ws = subject.styles(settings, view_camera(settings, subject))
    return subject.G, ws, [path], pose_range(tuple(subject.average_label[0].tolist()))


SAVES: dict[str, Callable[[Subjects, ViewSettings, Path], None]] = {
    "PNG": save_picture,
    "orbit MP4": _save_orbit,
    "mesh GLB": _save_mesh,
    "splats PLY": _save_splats,
}
