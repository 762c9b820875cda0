"""Context that all measurements of an evaluation share: generator, processes, cache, progress."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from mimic3d.data.schema import Manifest
from mimic3d.evaluation.sampling import SamplingConfig
from mimic3d.networks.generator import Generator

T = TypeVar("T")

Advance = Callable[[int, str], None]
"""Progress callback: how many more measurements are done, and what is being done."""


@dataclass(frozen=True)
class ProcessGroup:
    """Processes that measure together: which part is this one's, and how they exchange results."""

    rank: int
    num: int
    """Number of processes."""
    gather_objects: Callable[[list[Any]], list[Any]]
    """Gathering of the lists of all processes as one, by rank; every process must call it."""

    def batches(self, total: int, batch: int) -> Iterator[range]:
        """This process's batches of 0..total-1, dealt in turn: the same ones for any `num`."""
        starts = range(self.rank * batch, total, self.num * batch)
        return (range(start, min(start + batch, total)) for start in starts)

    def gather(self, numbered: list[tuple[int, T]]) -> list[T]:
        """Results of all processes, in the order of the numbers beside them."""
        everything = self.gather_objects(numbered)
        return [value for _, value in sorted(everything, key=lambda pair: pair[0])]


ALONE = ProcessGroup(0, 1, lambda objects: objects)
"""Group of a single process."""


@dataclass(frozen=True)
class EvaluationContext:
    """One generator under evaluation, with the settings and processes of its measurements."""

    G: Generator
    average_label: Float[Tensor, "1 25"]
    """Camera label that conditions G where only the camera that renders moves."""
    manifest: Manifest
    """Manifest of the dataset that G is compared with."""
    resolution: int
    """Side of the images that are measured, pixels."""
    sampling: SamplingConfig
    group: ProcessGroup
    cache: Path
    """Folder of results that do not depend on G; may be deleted at any time."""
    advance: Advance

    @property
    def device(self) -> torch.device:
        """Device of all measurements."""
        return self.average_label.device

    @property
    def pitch_rad(self) -> float:
        """Pitch of all views that are not drawn: the mean of the dataset."""
        return self.manifest.poses["pitch_mean_rad"]
