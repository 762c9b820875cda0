"""Inversion step by step: w, then w+, then the weights; a state resumes it with the same bits."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Float
from pydantic import NonNegativeInt
from torch import Tensor

from mimic3d.cameras import Cameras
from mimic3d.config import Config
from mimic3d.inversion.camera_fit import CameraCorrection, CameraFitConfig, no_correction
from mimic3d.inversion.principal_axes import PrincipalAxesConfig, measure_axes
from mimic3d.inversion.reconstruction import Reconstruction, ReconstructionConfig
from mimic3d.inversion.style_fit import StyleFit, StyleFitConfig, StyleProblem
from mimic3d.inversion.targets import InversionTarget
from mimic3d.inversion.tuning import TuningConfig, WeightTuning, draw_others
from mimic3d.networks.generator import Generator
from mimic3d.networks.objects import Objects, synthesize_objects

InversionPhase = Literal["w", "w_plus", "tuned"]
"""Part of an inversion: one style vector, one per layer, then the weights."""

PHASES: tuple[InversionPhase, ...] = get_args(InversionPhase)


class InversionConfig(Config):
    """Optimisation of styles, cameras and weights."""

    seed: NonNegativeInt = 0
    """Seed of all random numbers."""
    distribution: PrincipalAxesConfig = PrincipalAxesConfig()
    """Distribution of w, whose mean is the start and whose covariance is the prior."""
    reconstruction: ReconstructionConfig = ReconstructionConfig()
    """Distance of the rendering from the target."""
    camera: CameraFitConfig = CameraFitConfig()
    """Correction of the target's cameras."""
    w: StyleFitConfig = StyleFitConfig(num_steps=150, lr=0.1, camera_from=40)
    """One style vector for all layers."""
    w_plus: StyleFitConfig = StyleFitConfig(num_steps=150, lr=0.05, noise=0.0)
    """One style vector per layer, from the one before on."""
    tuning: TuningConfig = TuningConfig(num_steps=150, lr=0.003)
    """Weights, at the one style vector."""


@dataclass(frozen=True)
class InversionStep:
    """Step that was done, and the steps that its part has as far as is known by now."""

    phase: InversionPhase
    step: int
    num_steps: int
    loss: float


@dataclass(frozen=True)
class Inverted:
    """One answer: an object of a generator, and the cameras that see it as the target does."""

    objects: Objects
    cameras: Cameras


class Inversion:
    """Inversion of one target."""

    def __init__(
        self, G: Generator, average_label: Float[Tensor, "1 25"], target: InversionTarget,
        reconstruction: Reconstruction, cfg: InversionConfig,
        start: Float[Tensor, "1 l w_dim"] | None = None,
    ) -> None:  # fmt: skip
        """Begins at a style, such as an encoder's; None is the mean style of the average camera."""
        self.G, self.average_label, self.target = G, average_label, target
        self.reconstruction, self.cfg = reconstruction, cfg
        distribution = measure_axes(G, average_label, cfg.distribution)
        self.problem = StyleProblem(G, distribution, target, reconstruction, cfg.camera, cfg.seed)
        first = torch.zeros_like(distribution.mean)[None, None]
        if start is not None:
            first = distribution.whiten(start).mean(dim=1, keepdim=True)
        self._w = StyleFit(self.problem, cfg.w, first, no_correction(target), "w")
        self._w_plus: StyleFit | None = None
        self._tuning: WeightTuning | None = None

    def steps(self) -> Iterator[InversionStep]:
        """Does one step after the other, from where the state is, until nothing is gained."""
        yield from self._run("w", self._w)
        if self._w_plus is None:
            self._w_plus = self._begin_w_plus()
        yield from self._run("w_plus", self._w_plus)
        if self._tuning is None:
            self._tuning = self._begin_tuning(self._w_plus)
        yield from self._run("tuned", self._tuning)

    def answer(self, phase: InversionPhase) -> Inverted:
        """The object of a part that has begun, as far as it is known by now."""
        fit = self._w if self._w_plus is None or phase == "w" else self._w_plus
        G, ws = self.G, fit.ws
        if phase == "tuned":
            assert self._tuning is not None, "the weights are not tuned yet"
            G, ws = self._tuning.G, self._tuning.pivot
        cameras = fit.correction.apply(self.target.cameras, self.G.scene.pivot)
        with torch.no_grad():
            return Inverted(synthesize_objects(G, ws), cameras)

    def steps_to_come(self, phase: InversionPhase) -> int:
        """Steps of the parts after one, at most."""
        lengths = (self.cfg.w.num_steps, self.cfg.w_plus.num_steps, self.cfg.tuning.num_steps)
        return sum(lengths[PHASES.index(phase) + 1 :])

    @property
    def newest(self) -> InversionPhase:
        """The part that has begun last."""
        return "tuned" if self._tuning else "w_plus" if self._w_plus else "w"

    def squared_distance(self, ws: Float[Tensor, "1 l w_dim"]) -> float:
        """Squared whitened distance of a style from the mean per dimension: 1 is usual."""
        return float(self.problem.distribution.whiten(ws).square().mean())

    @property
    def correction(self) -> CameraCorrection:
        """Correction of the cameras as far as it is known by now."""
        return (self._w_plus or self._w).correction

    @property
    def losses(self) -> dict[InversionPhase, list[float]]:
        """Losses of the target in the steps of each part."""
        parts = (self._w, self._w_plus, self._tuning)
        return {
            phase: part.schedule.losses
            for phase, part in zip(PHASES, parts, strict=True)
            if part is not None
        }

    def state(self) -> dict[str, Tensor]:
        """Everything that a later step depends on, by part."""
        parts = dict(zip(PHASES, (self._w, self._w_plus, self._tuning), strict=True))
        return {
            f"{phase}/{name}": value
            for phase, part in parts.items()
            if part is not None
            for name, value in part.state().items()
        }

    def load(self, state: dict[str, Tensor]) -> None:
        """Goes on from a state of the same inversion."""
        by_phase: dict[str, dict[str, Tensor]] = {phase: {} for phase in PHASES}
        for key, value in state.items():
            phase, _, name = key.partition("/")
            by_phase[phase][name] = value.to(self.average_label.device)
        self._w.load(by_phase["w"])
        if by_phase["w_plus"]:
            self._w_plus = self._begin_w_plus()
            self._w_plus.load(by_phase["w_plus"])
            if by_phase["tuned"]:
                self._tuning = self._begin_tuning(self._w_plus)
                self._tuning.load(by_phase["tuned"])

    def _run(self, phase: InversionPhase, part: StyleFit | WeightTuning) -> Iterator[InversionStep]:
        while not part.schedule.is_over:
            loss = part.step()
            yield InversionStep(phase, part.schedule.step, part.schedule.last_step, loss)

    def _begin_w_plus(self) -> StyleFit:
        start = self._w.v.detach().expand(-1, self.G.backbone.num_ws, -1)
        return StyleFit(self.problem, self.cfg.w_plus, start, self._w.correction, "w_plus")

    def _begin_tuning(self, w_plus: StyleFit) -> WeightTuning:
        cameras = w_plus.correction.apply(self.target.cameras, self.G.scene.pivot)
        num, seed = self.cfg.tuning.num_others, self.cfg.seed
        others = draw_others(self.G, self.average_label, num, seed)
        return WeightTuning(
            self.G, self._w.ws, InversionTarget(self.target.images, cameras), others,
            self.reconstruction, self.cfg.tuning, seed,
        )  # fmt: skip
