"""Objects that can be looked at from anywhere: a generator's by both branches, and true ones.

All scores are taken of one object at a time, and of one view at a time: neither batch nor number of
processes can then move a value by as much as a rounding error.
"""

import functools
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from mimic3d.cameras import Cameras, Scene, orbit_cameras
from mimic3d.data.schema import Subjects
from mimic3d.evaluation.sampling import SamplingConfig, draw_latents
from mimic3d.evaluation.truth import held_out_subject, render_true_views
from mimic3d.metrics.features import resize
from mimic3d.metrics.views import PosedView
from mimic3d.networks.generator import Generator
from mimic3d.rendering.triplane import Planes

Sitter = Callable[[float, float], PosedView]
"""One object: a view of it (n is 1) from a yaw and a pitch, rad."""


def planes_of(
    G: Generator, average_label: Float[Tensor, "1 25"], identity: int, sampling: SamplingConfig
) -> tuple[Float[Tensor, "1 l w_dim"], Planes]:
    """Style and all planes of an object; the average camera conditions, so that only views move."""
    z, _ = draw_latents(identity, 1, G.config.z_dim, 1, sampling.seed)
    ws = G.mapping(z.to(average_label.device), average_label, sampling.truncation_psi)
    return ws, G.synthesize_planes(ws, detail=G.config.detail, noise="const")


def generated_sitters(
    G: Generator, average_label: Float[Tensor, "1 25"], identity: int, resolution: int,
    sampling: SamplingConfig,
) -> dict[str, Sitter]:  # fmt: skip
    """One object by both branches.

    The 2D branch is judged by the depth of its raw rendering, enlarged bilinearly: it has no other.
    """
    ws, planes = planes_of(G, average_label, identity, sampling)
    device = average_label.device

    @functools.cache
    def flat(yaw_rad: float, pitch_rad: float) -> PosedView:
        cameras = camera_at(yaw_rad, pitch_rad, G.scene, device)
        seen = G.render_2d(planes, ws, cameras)
        return PosedView(
            resize(seen.image, resolution), resize(seen.depth, resolution),
            resize(seen.alpha, resolution), cameras,
        )  # fmt: skip

    @functools.cache
    def direct(yaw_rad: float, pitch_rad: float) -> PosedView:
        cameras = camera_at(yaw_rad, pitch_rad, G.scene, device)
        seen = G.render_3d(planes, cameras, resolution)
        return PosedView(seen.image, seen.depth, seen.alpha, cameras)

    return {"2d": flat, "3d": direct}


def true_sitter(
    subjects: Subjects, scene: Scene, identity: int, resolution: int, device: torch.device
) -> Sitter:
    """One held-out subject of a synthetic dataset."""
    subject = held_out_subject(subjects, identity)

    @functools.cache
    def look(yaw_rad: float, pitch_rad: float) -> PosedView:
        cameras = camera_at(yaw_rad, pitch_rad, scene, device)
        seen = render_true_views([subject], cameras, resolution, subjects)
        return PosedView(seen.images, seen.depth, seen.alpha, cameras)

    return look


def camera_at(yaw_rad: float, pitch_rad: float, scene: Scene, device: torch.device) -> Cameras:
    """One camera of the scene's orbit."""
    return orbit_cameras(torch.tensor([yaw_rad]), torch.tensor([pitch_rad]), scene).to(device)


def numbers(scores: Any) -> dict[str, float]:
    """The fields of a dataclass of scores of one object."""
    return {name: value.item() for name, value in vars(scores).items()}
