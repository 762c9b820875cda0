"""Splats by descent: the ellipsoids, opacities and colours that reproduce given views best."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32
from numpy import ndarray
from pydantic import Field, PositiveFloat, PositiveInt

from mimic3d.cameras import Cameras
from mimic3d.config import Config
from mimic3d.metrics.views import PosedView
from mimic3d.rendering.fused.threads import for_each
from mimic3d.splats.rasterize import Raster, pixels_of, unproject_gradients
from mimic3d.splats.splats import Splats

MOMENTA, EPSILON = (0.8, 0.99), 1e-8  # of Adam
LOGIT_LIMIT = 4.6  # opacities up to 0.99
LEAST_LIGHT = 3e-3  # what is left where a tile's splats end: half a grey level
LAST_RATE = 0.1  # of the first; rates fall exponentially (3D Gaussian Splatting does so for places)


class SplatFitConfig(Config):
    """Descent of splats; rates are those of Adam."""

    steps: int = Field(default=60, ge=0)
    """Steps."""
    views: PositiveInt = 2
    """Views of a step."""
    place_px: PositiveFloat = 0.6
    """Rate of centres, pixels of the views."""
    scale_rate: PositiveFloat = 0.08
    """Rate of the logarithms of standard deviations."""
    turn_rate: PositiveFloat = 0.08
    """Rate of turns about a splat's own axes, rad."""
    logit_rate: PositiveFloat = 0.4
    """Rate of logits of opacities."""
    color_rate: PositiveFloat = 0.03
    """Rate of colours."""


@dataclass(frozen=True)
class _Target:
    camera: Cameras
    pixels: Float32[ndarray, "h w 3"]


def fit_splats(
    splats: Splats, views: list[PosedView], background: float, pixel: float, cfg: SplatFitConfig
) -> Splats:
    """Splats with less squared error in these views; `pixel` is the width of one, world units.

    Views come in a random order that is always the same, and as many splats go out as come in.
    """
    targets = [_Target(view.cameras, pixels_of(view.image)) for view in views]
    state, rng = _State(splats, pixel, cfg), np.random.default_rng(0)
    queue: list[int] = []
    for step in range(cfg.steps):
        while len(queue) < cfg.views:
            queue += rng.permutation(len(targets)).tolist()
        batch, queue = queue[: cfg.views], queue[cfg.views :]
        state.step([targets[index] for index in batch], background, step + 1)
    return state.splats


class _State:
    """Splats, whose memory is changed in place, and what Adam remembers of them."""

    def __init__(self, splats: Splats, pixel: float, cfg: SplatFitConfig) -> None:
        self.splats, self.cfg = Splats(*(part.contiguous().clone() for part in splats.parts())), cfg
        self.logits = torch.logit(splats.opacities).numpy().copy()
        self.means = np.zeros((len(splats), 13), np.float32)
        self.squares = np.zeros_like(self.means)
        self.limits = np.array([0.05 * pixel, 30 * pixel, LOGIT_LIMIT], np.float32)
        rates = [cfg.place_px * pixel] * 3 + [cfg.scale_rate] * 3 + [cfg.turn_rate] * 3
        self.rates = np.array(rates + [cfg.logit_rate] + [cfg.color_rate] * 3, np.float32)

    def step(self, targets: list[_Target], background: float, number: int) -> None:
        """Moves once against the error of these views."""
        from mimic3d.splats.numba_adam import step

        parts = [np.zeros_like(self.means) for _ in targets]

        def differentiate(index: int) -> None:
            add_gradients(self.splats, targets[index], background, parts[index])

        for_each(differentiate, range(len(targets)))
        decay = LAST_RATE ** ((number - 1) / max(1, self.cfg.steps - 1))
        corrections = [1 / (1 - momentum**number) for momentum in MOMENTA]
        step(
            np.sum(parts, axis=0), self.means, self.squares, self.rates * np.float32(decay),
            np.array(MOMENTA, np.float32), np.array(corrections, np.float32), np.float32(EPSILON),
            self.limits, self.splats.centers.numpy(), self.splats.rotations.numpy(),
            self.splats.scales.numpy(), self.logits, self.splats.opacities.numpy(),
            self.splats.colors.numpy(),
        )  # fmt: skip


def add_gradients(
    splats: Splats, target: _Target, background: float, gradients: Float32[ndarray, "m 13"]
) -> None:
    """Adds the gradients of half the squared error of a view (`unproject_gradients`)."""
    raster = Raster(splats, target.camera, len(target.pixels))
    colors = splats.colors.numpy()
    image, light = raster.composite(colors, LEAST_LIGHT)
    error = image + np.float32(background) * light[..., None] - target.pixels
    slopes = raster.differentiate(colors, light, background, error)
    unproject_gradients(splats, target.camera, raster, slopes, gradients)
