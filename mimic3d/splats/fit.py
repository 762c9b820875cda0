"""Opacities and colours of splats by descent: those with which they reproduce given views best."""

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float32
from numpy import ndarray

from mimic3d.metrics.views import PosedView
from mimic3d.splats.rasterize import Footprints, pixels_of, splat_footprints
from mimic3d.splats.splats import Splats

COLOR_RATE = 0.8  # of the step that would be right if splats did not overlap
COLOR_DAMPING = 0.05  # pixels; keeps splats that are hardly in sight where they are
LOGIT_RATE, MOMENTA, LOGIT_LIMIT = 0.25, (0.8, 0.95), 5.0  # Adam (Kingma and Ba 2015)
LEAST_LIGHT = 3e-3  # what is left when a pixel's list of splats ends; opacities may fall later


def fit_splats(splats: Splats, views: list[PosedView], background: float, num_steps: int) -> Splats:
    """The splats with the opacities and colours of the step with the least squared error.

    Where splats lie and which pixels they cover stays as it is; so a step is two passes over lists
    made once. Colours move by their gradient over their share in the pixels, opacities by Adam on
    their logits.
    """
    side = views[0].image.shape[-1]
    pictures = [
        (splat_footprints(splats, view.cameras, side, LEAST_LIGHT), pixels_of(view.image))
        for view in views
    ]
    state = _State(splats.opacities.numpy().copy(), splats.colors.numpy().copy())
    best, least = (state.opacities, state.colors), np.inf
    for step in range(num_steps + 1):
        before = state.opacities, state.colors
        error = state.step(pictures, background, step + 1)
        if error < least:
            best, least = before, error
    opacities, colors = (torch.from_numpy(array) for array in best)
    return replace(splats, opacities=opacities, colors=colors)


class _State:
    def __init__(self, opacities: Float32[ndarray, " m"], colors: Float32[ndarray, "m 3"]) -> None:
        self.opacities, self.colors = opacities, colors
        self._logits = np.log(opacities / (1 - opacities))
        self._mean, self._square = np.zeros_like(opacities), np.zeros_like(opacities)

    def step(
        self, pictures: list[tuple[Footprints, Float32[ndarray, "p 3"]]], background: float,
        number: int,
    ) -> float:  # fmt: skip
        """Moves once; returns the squared error before."""
        error, parts = 0.0, []
        for footprints, target in pictures:
            image, light = footprints.composite(self.opacities, self.colors)
            gradient = image + background * light[:, None] - target
            error += float(np.square(gradient).sum(dtype=np.float64))
            parts.append(
                footprints.differentiate(self.opacities, self.colors, light, background, gradient)
            )
        shares = np.sum([part.shares for part in parts], axis=0)[:, None] + COLOR_DAMPING
        by_color = np.sum([part.by_color for part in parts], axis=0)
        by_opacity = np.sum([part.by_opacity for part in parts], axis=0)
        self.colors = (self.colors - COLOR_RATE * by_color / shares).clip(0, 1)
        by_logit = by_opacity * self.opacities * (1 - self.opacities)
        first, second = MOMENTA
        self._mean = first * self._mean + (1 - first) * by_logit
        self._square = second * self._square + (1 - second) * by_logit**2
        mean, square = self._mean / (1 - first**number), self._square / (1 - second**number)
        moved = self._logits - LOGIT_RATE * mean / (np.sqrt(square) + 1e-4)
        self._logits = moved.clip(-LOGIT_LIMIT, LOGIT_LIMIT).astype(np.float32)
        self.opacities = (1 / (1 + np.exp(-self._logits))).astype(np.float32)
        return error
