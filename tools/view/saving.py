"""Files that a viewer saves, as bytes for the browser."""

import math
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from einops import rearrange
from PIL import Image

from mimic3d.gallery.mesh import load_marching_cubes
from mimic3d.gallery.mesh_files import save_mesh
from mimic3d.gallery.video import load_video_writer, save_video
from mimic3d.splats.bake import bake_splats
from mimic3d.splats.files import save_splats
from mimic3d.splats.rasterize import check_rasterizer
from mimic3d.surfaces.pose_range import grid_cameras, pose_range
from mimic3d.surfaces.rendered_object import OnCpu
from tools.render_shapes import mesh_of, splat_config
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

    def frame(angle: float) -> torch.Tensor:
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
    objects, subject = _object(subjects, settings), subjects[0]
    save_mesh(mesh_of(objects, pose_range(_label(subject))), path)


def _save_splats(subjects: Subjects, settings: ViewSettings, path: Path) -> None:
    check_rasterizer()
    objects, subject = _object(subjects, settings), subjects[0]
    cameras = grid_cameras(pose_range(_label(subject)), subject.G.scene)
    cfg = splat_config(subject.G, None, None, None)
    save_splats(bake_splats(objects, cameras, subject.G.scene, cfg), path)


def _object(subjects: Subjects, settings: ViewSettings) -> OnCpu:
    return OnCpu(subjects[0].objects(settings, view_camera(settings, subjects[0])))


def _label(subject: Subject) -> tuple[float, ...]:
    return tuple(subject.average_label[0].tolist())


SAVES: dict[str, Callable[[Subjects, ViewSettings, Path], None]] = {
    "PNG": save_picture,
    "orbit MP4": _save_orbit,
    "mesh GLB": _save_mesh,
    "splats PLY": _save_splats,
}
