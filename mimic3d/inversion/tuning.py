"""Pivotal tuning: the weights of a generator learn the target at one style, and nothing else.

Roich et al. 2021 (arXiv 2106.05744). The pivot is w, one vector for all layers, as in the paper: it
becomes the average style of the tuned generator, so that truncation 0 of any command shows it.
Mapping and super-resolution stay as they are; the latter is the 2D branch, which is not looked at.
"""

from copy import deepcopy
from dataclasses import dataclass

import torch
from einops import repeat
from jaxtyping import Float
from pydantic import NonNegativeFloat, PositiveInt
from torch import Tensor

from mimic3d.cameras import Cameras
from mimic3d.inversion.principal_axes import draw_w
from mimic3d.inversion.reconstruction import Reconstruction
from mimic3d.inversion.schedule import Schedule, ScheduleConfig
from mimic3d.inversion.targets import InversionTarget
from mimic3d.networks.generator import Generator
from mimic3d.networks.objects import Objects, synthesize_objects
from mimic3d.surfaces.pose_range import pose_range, random_cameras
from mimic3d.training.phases import seeded_rng

TUNED = ("backbone", "pyramid", "decoder", "detail")  # parts of the 3D branch


class TuningConfig(ScheduleConfig):
    """Optimisation of the weights."""

    locality_weight: NonNegativeFloat = 1.0
    """Weight of what other styles lose: their distance from the images of the given generator."""
    num_others: PositiveInt = 32
    """Other styles whose images are kept, each from a camera of its own."""
    density_weight: NonNegativeFloat = 0.01
    """Weight of the mean absolute change of the raw density of the pivot."""
    num_points: PositiveInt = 1000
    """Points at which the density is compared in a step, drawn in the box."""


@dataclass(frozen=True)
class OtherObjects:
    """Random styles, a camera of the training range for each, and the images to be kept."""

    ws: Float[Tensor, "n l w_dim"]
    cameras: Cameras
    images: Float[Tensor, "n 3 h w"]


@torch.no_grad()
def draw_others(
    G: Generator, average_label: Float[Tensor, "1 25"], num: int, seed: int
) -> OtherObjects:
    """Other objects of a generator, rendered one by one."""
    device = average_label.device
    w = draw_w(G, average_label, 0, num, seed)
    ws = repeat(w, "n w_dim -> n l w_dim", l=G.mapping.num_ws)
    extent = pose_range(tuple(average_label[0].tolist()))
    cameras = random_cameras(extent, G.scene, num, seed).to(device)
    images = [
        synthesize_objects(G, ws[i : i + 1]).render(cameras[i : i + 1]).image for i in range(num)
    ]
    return OtherObjects(ws, cameras, torch.cat(images))


class WeightTuning:
    """Optimisation of the weights, step by step; its state is a dict of tensors."""

    def __init__(
        self, G: Generator, pivot: Float[Tensor, "1 l w_dim"], target: InversionTarget,
        others: OtherObjects, reconstruction: Reconstruction, cfg: TuningConfig, seed: int,
    ) -> None:  # fmt: skip
        """Tuning of a copy of G; the cameras of the target are taken as they are."""
        self.cfg, self.seed, self.pivot = cfg, seed, pivot
        self.target, self.others, self.reconstruction = target, others, reconstruction
        self.G = deepcopy(G).requires_grad_(False)
        self.G.backend = G.backend
        self.G.mapping.w_avg.copy_(pivot[0, 0])
        parts = [getattr(self.G, name) for name in TUNED]
        self.weights = [p for part in parts if part is not None for p in part.parameters()]
        for weight in self.weights:
            weight.requires_grad_(True)
        self.schedule = Schedule(cfg)
        self.optimizer = torch.optim.Adam(self.weights, lr=cfg.lr, betas=(0.9, 0.99))
        with torch.no_grad():
            self._given = synthesize_objects(G, pivot)

    def step(self) -> float:
        """Does one step; returns the loss of the target before it."""
        index = self.schedule.step
        self.optimizer.param_groups[0]["lr"] = self.schedule.lr()
        which = index % len(self.others.ws)
        other = slice(which, which + 1)
        objects = synthesize_objects(self.G, torch.cat([self.pivot, self.others.ws[other]]))
        image = objects[:1].render(self.target.cameras).image
        loss = self.reconstruction(image, self.target.images).mean()
        kept = objects[1:].render(self.others.cameras[other]).image
        lost = self.reconstruction(kept, self.others.images[other]).mean()
        change = self._density_change(objects[:1], index)
        self.optimizer.zero_grad()
        (loss + self.cfg.locality_weight * lost + self.cfg.density_weight * change).backward()
        self.optimizer.step()
        self.schedule.record(float(loss.detach()))
        return self.schedule.losses[-1]

    def state(self) -> dict[str, Tensor]:
        """Everything that a later step depends on."""
        moments = {
            f"adam.{index}.{name}": value
            for index, entry in self.optimizer.state_dict()["state"].items()
            for name, value in entry.items()
        }
        return {
            "losses": torch.tensor(self.schedule.losses, dtype=torch.float64),
            "fall_from": torch.tensor(self.schedule.fall_from),
            **{f"weights.{i}": weight.detach() for i, weight in enumerate(self.weights)},
            **moments,
        }

    def load(self, state: dict[str, Tensor]) -> None:
        """Goes on from a state."""
        entries: dict[int, dict[str, Tensor]] = {}
        with torch.no_grad():
            for i, weight in enumerate(self.weights):
                weight.copy_(state[f"weights.{i}"])
        for key, value in state.items():
            if key.startswith("adam."):
                _, index, name = key.split(".")
                entries.setdefault(int(index), {})[name] = value.clone()
        self.schedule.losses = state["losses"].tolist()
        self.schedule.fall_from = int(state["fall_from"])
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": entries, "param_groups": groups})

    def _density_change(self, objects: Objects, index: int) -> Float[Tensor, ""]:
        rng = seeded_rng(torch.device("cpu"), self.seed, index, "inversion.density")
        points = (torch.rand((1, self.cfg.num_points, 3), generator=rng) - 0.5).to(objects.device)
        points = points * objects.G.scene.box_warp
        with torch.no_grad():
            before = self._given.density(points)
        return (objects.density(points) - before).abs().mean()
