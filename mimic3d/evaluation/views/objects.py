"""Objects seen from anywhere: a generator's by both branches, and true ones.

All scores are taken of one object at a time, and of one view at a time: neither batch nor number of
processes can then move a value by as much as a rounding error.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mimic3d.cameras import Cameras, Scene, orbit_cameras
from mimic3d.data.schema import Manifest, Subjects
from mimic3d.evaluation.context import EvaluationContext
from mimic3d.evaluation.sampling import BRANCHES, draw_latents
from mimic3d.evaluation.truth import held_out_subject, render_true_views
from mimic3d.metrics.views import PosedView
from mimic3d.networks.objects import synthesize_objects

STREAM = 1  # keeps drawn angles apart from the latents of the same seed
MARGIN_RAD = 0.05  # a probe also learns a bit of what lies beyond the views that it is asked of


@dataclass(frozen=True)
class ViewSource:
    """One object by one branch: views of it from any yaw and pitch, each rendered once."""

    scene: Scene
    device: torch.device
    render: Callable[[Cameras], PosedView]
    """Function that renders the view of one camera (n is 1)."""
    raw_density: Callable[[Float[Tensor, "1 m 3"]], Float[Tensor, "1 m 1"]] | None = None
    """Function of points to densities before the activation; None for true objects."""
    density_gain: float = 1.0
    """Factor of densities after the activation."""
    _views: dict[tuple[float, float], PosedView] = field(default_factory=dict)

    def __call__(self, yaw_rad: float, pitch_rad: float) -> PosedView:
        """The view of a camera of the scene's orbit."""
        key = yaw_rad, pitch_rad
        if key not in self._views:
            self._views[key] = self.render(camera_at(*key, self.scene, self.device))
        return self._views[key]


@dataclass(frozen=True)
class ObjectViews:
    """One object by one branch, as a metric meets it."""

    identity: int
    branch: str
    sources: Mapping[str, ViewSource]
    """The object by every branch there is of it."""
    angles: Float[Tensor, "v 2"]
    """Yaw and pitch of its drawn views, rad."""
    pitch_rad: float
    """Pitch of all other views, rad."""

    @property
    def source(self) -> ViewSource:
        """The object by the branch that is scored."""
        return self.sources[self.branch]

    @property
    def scene(self) -> Scene:
        """Scene of cameras and object."""
        return self.source.scene


def generated_views(ctx: EvaluationContext, identity: int) -> dict[str, ViewSource]:
    """One object by both branches; the average camera conditions, so that only views move.

    The 2D branch is judged by the depth of its raw rendering, enlarged bilinearly: it has no other.
    """
    G, sampling = ctx.G, ctx.sampling
    z, _ = draw_latents(identity, 1, G.config.z_dim, 1, sampling.seed)
    ws = G.mapping(z.to(ctx.device), ctx.average_label, sampling.truncation_psi)
    objects, gain = synthesize_objects(G, ws), G.config.rendering.density_gain
    return {
        branch: ViewSource(
            G.scene,
            ctx.device,
            partial(objects.render, branch=branch, resolution=ctx.resolution),
            partial(objects.density, branch=branch),
            gain,
        )
        for branch in BRANCHES
    }


def true_views(
    subjects: Subjects, scene: Scene, identity: int, resolution: int, device: torch.device
) -> ViewSource:
    """One held-out subject of a synthetic dataset."""
    subject = held_out_subject(subjects, identity)

    def render(cameras: Cameras) -> PosedView:
        photos = render_true_views([subject], cameras, resolution, subjects)
        return PosedView(photos.images, photos.depth, photos.alpha, cameras)

    return ViewSource(scene, device, render)


def camera_at(yaw_rad: float, pitch_rad: float, scene: Scene, device: torch.device) -> Cameras:
    """One camera of the scene's orbit."""
    return orbit_cameras(torch.tensor([yaw_rad]), torch.tensor([pitch_rad]), scene).to(device)


def draw_angles(manifest: Manifest, identity: int, num: int, seed: int) -> Float[Tensor, "v 2"]:
    """Yaw and pitch of `num` views of an object, rad: normal, cut to the middle 90 % of the data.

    An object has a stream of its own; true and generated objects of a number share their views.
    """
    rng = np.random.default_rng([seed, identity, STREAM])
    mean, deviation = (_both(manifest, name) for name in ("mean", "std"))
    angles = rng.normal(mean, deviation, (num, 2)).clip(*angle_limits(manifest))
    return torch.from_numpy(angles).float()


def draw_wide_angles(manifest: Manifest, num: int, seed: int) -> Float[Tensor, "v 2"]:
    """Angles spread evenly over a little more than `draw_angles` can reach."""
    low, high = angle_limits(manifest)
    rng = np.random.default_rng([seed, STREAM])
    angles = rng.uniform(low - MARGIN_RAD, high + MARGIN_RAD, (num, 2))
    return torch.from_numpy(angles).float()


def angle_limits(manifest: Manifest) -> tuple[np.ndarray, np.ndarray]:
    """5 % and 95 % quantiles of yaw and pitch of the training data, rad."""
    return _both(manifest, "q05"), _both(manifest, "q95")


def _both(manifest: Manifest, name: str) -> np.ndarray:
    return np.array([manifest.poses[f"{angle}_{name}_rad"] for angle in ("yaw", "pitch")])
