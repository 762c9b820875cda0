"""Means of what losses report, gathered on the device and over processes."""

import torch
from accelerate import Accelerator
from jaxtyping import Float
from torch import Tensor

Sums = dict[str, tuple[float, int]]
"""Sum of each statistic by name, averaged over processes, and the number of its values."""


class Meter:
    """Sums of reported scalars, kept on the device until a tick asks for their means."""

    def __init__(self, accelerator: Accelerator, sums: Sums | None = None):
        self._accelerator = accelerator
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}
        for name, (total, count) in (sums or {}).items():
            self._sums[name] = torch.tensor(total, dtype=torch.double, device=accelerator.device)
            self._counts[name] = count

    def add(self, stats: dict[str, Tensor]) -> None:
        """Adds one value of every statistic."""
        for name, value in stats.items():
            self._sums[name] = self._sums.get(name, 0) + value.detach().double()
            self._counts[name] = self._counts.get(name, 0) + 1

    def take(self) -> dict[str, float]:
        """Means over all processes since the last call."""
        names = sorted(self._sums)
        means = torch.stack([self._sums[name] / self._counts[name] for name in names])
        means = mean_over_processes(means, self._accelerator).tolist()
        self._sums, self._counts = {}, {}
        return dict(zip(names, means, strict=True))

    def sums(self) -> Sums:
        """Sums gathered since the last `take`, for a meter that goes on from there."""
        names = sorted(self._sums)
        if not names:
            return {}
        totals = torch.stack([self._sums[name] for name in names])
        totals = mean_over_processes(totals, self._accelerator).tolist()
        return {
            name: (total, self._counts[name]) for name, total in zip(names, totals, strict=True)
        }


def mean_over_processes(
    values: Float[Tensor, " m"], accelerator: Accelerator
) -> Float[Tensor, " m"]:
    """Mean of every value over processes; all get the same bits."""
    if accelerator.num_processes == 1:
        return values
    return accelerator.reduce(values, reduction="mean")  # pyright: ignore[reportReturnType]
