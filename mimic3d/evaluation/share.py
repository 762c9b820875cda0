"""One process's part of an evaluation that several processes share."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Share:
    """Which part of the work is mine, and how to learn what the others found."""

    rank: int
    num: int
    """Processes."""
    gather_objects: Callable[[list[Any]], list[Any]]
    """The lists of all processes as one, by rank; every process must call it."""

    def batches(self, total: int, batch: int) -> Iterator[range]:
        """My batches of 0..total-1: dealt in turn, the same batches for any number of processes."""
        starts = range(self.rank * batch, total, self.num * batch)
        return (range(start, min(start + batch, total)) for start in starts)

    def gather(self, found: list[tuple[int, T]]) -> list[T]:
        """What all processes found, in the order of the numbers beside it."""
        everything = self.gather_objects(found)
        return [value for _, value in sorted(everything, key=lambda pair: pair[0])]


ALONE = Share(0, 1, lambda found: found)
"""The only process there is."""
