"""Style of a generator whose 3D branch shows the target: w, one vector, or w+, one per layer."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from pydantic import NonNegativeFloat, NonNegativeInt
from torch import Tensor

from mimic3d.inversion.camera_fit import CameraCorrection, CameraFitConfig, correct_cameras
from mimic3d.inversion.principal_axes import PrincipalAxes
from mimic3d.inversion.reconstruction import Reconstruction
from mimic3d.inversion.schedule import Schedule, ScheduleConfig
from mimic3d.inversion.targets import InversionTarget
from mimic3d.networks.generator import Generator
from mimic3d.networks.objects import synthesize_objects
from mimic3d.training.phases import seeded_rng

NOISE_END = 0.75  # share of the steps after which w has no noise (StyleGAN2's projector)


class StyleFitConfig(ScheduleConfig):
    """Optimisation of a style in whitened coordinates."""

    prior_weight: NonNegativeFloat = 1e-3
    """Weight of the squared whitened distance from the mean style, per dimension."""
    spread_weight: NonNegativeFloat = 1e-3
    """Weight of the squared whitened distance of the layers from their mean; of w+ only."""
    camera_from: NonNegativeInt = 0
    """Step from which cameras are corrected; of w later, since first the object is another one."""
    noise: NonNegativeFloat = 0.05
    """Standard deviation of the noise on the style at the first step, whitened (StyleGAN2)."""


@dataclass(frozen=True)
class StyleProblem:
    """Facts that all steps of the style share."""

    G: Generator
    distribution: PrincipalAxes
    target: InversionTarget
    reconstruction: Reconstruction
    camera_cfg: CameraFitConfig
    seed: int


class StyleFit:
    """Optimisation of one style, step by step.

    Its state is a dict of tensors; a fit that loads it goes on with the same bits.
    """

    def __init__(
        self, problem: StyleProblem, cfg: StyleFitConfig, start: Float[Tensor, "1 l w_dim"],
        correction: CameraCorrection, name: str,
    ) -> None:  # fmt: skip
        """A fit that begins at whitened coordinates; one layer is w, all layers are w+.

        `name` keeps the random numbers of several fits apart.
        """
        self.problem, self.cfg, self.name = problem, cfg, name
        self.v = start.detach().clone().requires_grad_(True)
        self.correction = correction
        self.schedule = Schedule(cfg)
        self.optimizer = torch.optim.Adam([self.v], lr=cfg.lr, betas=(0.9, 0.99))

    @property
    def ws(self) -> Float[Tensor, "1 l w_dim"]:
        """The style, one vector per layer of the generator."""
        return self._styles(self.v.detach())

    def step(self) -> float:
        """Does one step; returns the loss of the target before it."""
        problem, cfg = self.problem, self.cfg
        index = self.schedule.step
        self.optimizer.param_groups[0]["lr"] = self.schedule.lr()
        objects = synthesize_objects(problem.G, self._styles(self.v + self._noise(index)))
        cameras = self.correction.apply(problem.target.cameras, problem.G.scene.pivot)
        image = objects.render(cameras).image
        loss = problem.reconstruction(image, problem.target.images).mean()
        spread = (self.v - self.v.mean(dim=1, keepdim=True)).square().mean()
        prior = cfg.prior_weight * self.v.square().mean() + cfg.spread_weight * spread
        self.optimizer.zero_grad()
        (loss + prior).backward()
        self.optimizer.step()
        self.schedule.record(float(loss.detach()))
        self._correct(index)
        return self.schedule.losses[-1]

    def state(self) -> dict[str, Tensor]:
        """Everything that a later step depends on."""
        moments = self.optimizer.state_dict()["state"].get(0, {})
        return {
            "v": self.v.detach(),
            "twist": self.correction.twist,
            "losses": torch.tensor(self.schedule.losses, dtype=torch.float64),
            "fall_from": torch.tensor(self.schedule.fall_from),
            **{f"adam.{name}": value for name, value in moments.items()},
        }

    def load(self, state: dict[str, Tensor]) -> None:
        """Goes on from a state."""
        with torch.no_grad():
            self.v.copy_(state["v"])
        self.correction = CameraCorrection(state["twist"])
        self.schedule.losses = state["losses"].tolist()
        self.schedule.fall_from = int(state["fall_from"])
        moments = {k[5:]: value.clone() for k, value in state.items() if k.startswith("adam.")}
        if moments:
            groups = self.optimizer.state_dict()["param_groups"]
            self.optimizer.load_state_dict({"state": {0: moments}, "param_groups": groups})

    def _styles(self, v: Float[Tensor, "1 l w_dim"]) -> Float[Tensor, "1 k w_dim"]:
        num = self.problem.G.backbone.num_ws
        return self.problem.distribution.unwhiten(v.expand(-1, num, -1))

    def _noise(self, index: int) -> Tensor:
        rest = max(0.0, 1 - index / (NOISE_END * self.cfg.num_steps))
        rng = seeded_rng(torch.device("cpu"), self.problem.seed, index, f"inversion.{self.name}")
        draws = torch.randn(self.v.shape, generator=rng).to(self.v.device)
        return self.cfg.noise * rest**2 * draws

    def _correct(self, index: int) -> None:
        cfg = self.problem.camera_cfg
        if not cfg.interval or index < self.cfg.camera_from or (index + 1) % cfg.interval:
            return
        with torch.no_grad():
            objects = synthesize_objects(self.problem.G, self.ws)
        self.correction = correct_cameras(objects, self.problem.target, self.correction, cfg)
