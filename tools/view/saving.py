"""Files that a viewer saves, as bytes for the browser; and their drift with the conditioning."""

import io
import math
import tempfile
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from mimic3d.gallery.mesh import MeshConfig, extract_mesh, load_marching_cubes
from mimic3d.gallery.mesh_files import save_mesh
from mimic3d.gallery.video import load_video_writer, save_video
from tools.view.drawing import draw, view_camera
from tools.view.settings import ViewSettings
from tools.view.subject import Subject, Timings

DRIFT_RESOLUTION = 64
FRAMES, FPS = 48, 24
ORBIT_YAW_RAD, ORBIT_PITCH_RAD = 0.4, 0.1


def png_bytes(pixels: UInt8[np.ndarray, "h w 3"]) -> bytes:
    """A picture as a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@torch.inference_mode()
def mp4_bytes(subject: Subject, settings: ViewSettings) -> bytes:
    """An orbit around the object, as the panel shows it, as a video.

    Raises:
        ValueError: the optional dependency that writes videos is missing.
    """
    load_video_writer()
    frames = []
    for angle in (2 * math.pi * frame / FRAMES for frame in range(FRAMES)):
        turned = {
            "yaw_rad": ORBIT_YAW_RAD * math.sin(angle),
            "pitch_rad": settings.pitch_rad + ORBIT_PITCH_RAD * math.cos(angle),
        }
        at = settings.model_copy(update=turned)
        pixels = torch.from_numpy(draw((subject, subject), at, settings.resolution).pixels.copy())
        frames.append(rearrange(pixels, "h w c -> c h w") / 127.5 - 1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "orbit.mp4"
        save_video(frames, path, FPS)
        return path.read_bytes()


@torch.inference_mode()
def glb_bytes(subject: Subject, settings: ViewSettings) -> bytes:
    """The coloured surface of the object as a GLB file.

    Raises:
        ValueError: an optional dependency is missing, or no density reaches the surface's.
    """
    load_marching_cubes()
    objects = subject.objects(
        settings, view_camera(settings, subject.scene, subject.device), Timings()
    )

    def field(points: Float[Tensor, "m 3"]) -> tuple[Float[Tensor, " m"], Float[Tensor, "m 3"]]:
        densities, colors = objects.query(points[None].to(subject.device))
        return densities[0, :, 0], colors[0]

    mesh = extract_mesh(field, subject.scene.box_warp, MeshConfig())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "object.glb"
        save_mesh(mesh, path)
        return path.read_bytes()


@torch.inference_mode()
def measure_drift(subject: Subject, settings: ViewSettings) -> float:
    """Mean absolute change of pixels (0..255) when the conditioning camera follows the view.

    Against the average camera, from the camera of the settings, 3D branch, without drawing it at
    full size. A generator whose identity does not depend on the camera has 0.
    """
    pictures = []
    for conditioning in ("average", "view"):
        at = settings.model_copy(update={"conditioning": conditioning, "panel": "3d"})
        pictures.append(draw((subject,), at, DRIFT_RESOLUTION).pixels.astype(np.float64))
    return float(np.abs(pictures[0] - pictures[1]).mean())
