"""Losses and weights that are not finite: how many are too many."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor


class NonFiniteError(ValueError):
    """Too many failed steps in a row; `loop` in its text is short for the stage's section."""


class NonFiniteCounter:
    """Steps in a row that went wrong, by phase; counted on the device, without waiting for it."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._now: dict[str, Tensor] = {}
        self._longest: dict[str, Tensor] = {}

    def add(self, phase: str, is_bad: Float[Tensor, ""]) -> None:
        """Counts one step of a phase: 1 if it went wrong, else 0."""
        now = (self._now.get(phase, torch.zeros_like(is_bad)) + 1) * is_bad
        self._longest[phase] = torch.maximum(now, self._longest.get(phase, now))
        self._now[phase] = now

    def check(self, nimg: int) -> None:
        """Ends a training that only seems to go on.

        Raises:
            NonFiniteError: a phase went wrong as often in a row as the limit.
        """
        for phase, longest in self._longest.items():
            if longest.item() >= self._limit:
                raise NonFiniteError(
                    f"loop.max_nonfinite = {self._limit} steps in a row may have a loss or "
                    f"gradients that are not finite, {phase} had {longest.item():.0f} up to "
                    f"{nimg} images"
                )
        self._longest = dict(self._now)


def find_nonfinite(tensors: Mapping[str, Tensor]) -> str | None:
    """Name of a tensor that holds a value that is not finite."""
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            return name
    return None
