"""A dataset that is being made, part by part, so that a run that is killed goes on where it was.

A part holds the outcomes of `PART` tasks and is written whole or not at all. Parts depend on the
tasks alone, neither on the number of processes nor on when they were interrupted.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from mimic3d.atomic import atomic_file
from mimic3d.cameras import Cameras, Scene
from mimic3d.preparation.rows import REJECTS_SCHEMA, kept_table, rejected_table
from mimic3d.preparation.sample import Rejected, Sample

PART = 256  # tasks; what is done again after a kill
FACTS = ("image_id", "split", "yaw", "pitch", "roll", "confidence", "reproj_px")

Task = TypeVar("Task")

Place = tuple[int, int]
"""Number of a part, and of a row among its kept or its rejected images."""


class PartialDataset:
    """The parts in a folder."""

    def __init__(self, folder: Path, scene: Scene, mirror: bool) -> None:
        self._folder = folder
        self._scene = scene
        self._mirror = mirror
        folder.mkdir(parents=True, exist_ok=True)

    def fill(
        self,
        tasks: Sequence[tuple[str, Task]],
        make: Callable[[Sequence[Task]], Iterator[Sequence[Sample | Rejected]]],
    ) -> Iterator[int]:
        """Does the tasks of the parts that are missing; yields how many tasks are done."""
        starts = range(0, len(tasks), PART)
        missing = [start for start in starts if not self._kept(start // PART).is_file()]
        done = len(tasks) - sum(len(tasks[start : start + PART]) for start in missing)
        if done:
            yield done
        remaining = [task for start in missing for _, task in tasks[start : start + PART]]
        results = make(remaining)
        for start in missing:
            outcomes: list[tuple[str, Sample | Rejected]] = []
            for split, _ in tasks[start : start + PART]:
                outcomes += [(split, outcome) for outcome in next(results)]
                done += 1
                yield done
            self._write(start // PART, outcomes)

    @property
    def num_parts(self) -> int:
        """Number of parts."""
        return len(list(self._folder.glob("kept-*.parquet")))

    def kept_facts(self, part: int) -> Iterator[tuple[int | None, bytes, dict[str, Any]]]:
        """Hash, miniature and pose of the kept images of a part."""
        for row in self.kept(part, ["dhash", "miniature", *FACTS]).to_pylist():
            yield row.pop("dhash"), row.pop("miniature"), row

    def rejected_facts(self, part: int) -> list[dict[str, Any]]:
        """Gate and, where there is one, pose of the rejected images of a part."""
        rows = self.rejected(part, [*REJECTS_SCHEMA.names, *FACTS[1:]]).to_pylist()
        return [{name: value for name, value in row.items() if value is not None} for row in rows]

    def kept(self, part: int, columns: Sequence[str] | None = None) -> pa.Table:
        """The kept images of a part."""
        return pq.read_table(self._kept(part), columns=columns)

    def rejected(self, part: int, columns: Sequence[str] | None = None) -> pa.Table:
        """The rejected images of a part."""
        return pq.read_table(self._folder / f"rejected-{part:06d}.parquet", columns=columns)

    def images(self, places: Sequence[Place]) -> list[bytes]:
        """Kept images, PNG."""
        return [value["bytes"] for value in self._values(self.kept, "image", places)]

    def landmarks(self, places: Sequence[Place]) -> list[list[tuple[float, float]]]:
        """Landmarks of the camera fits of kept images: shares of the crop from its top left."""
        flat = [value or [] for value in self._values(self.kept, "landmarks", places)]
        return [list(zip(one[::2], one[1::2], strict=True)) for one in flat]

    def cameras(self, places: Sequence[Place]) -> Cameras:
        """Cameras of kept images."""
        cam2world = self._values(self.kept, "cam2world", places)
        intrinsics = self._values(self.kept, "intrinsics", places)
        return Cameras(
            torch.tensor(cam2world).reshape(-1, 4, 4), torch.tensor(intrinsics).reshape(-1, 3, 3)
        )

    def thumbnails(self, places: Sequence[Place]) -> list[bytes]:
        """Rejected images, JPEG; empty where one cannot be read."""
        return [value or b"" for value in self._values(self.rejected, "thumbnail", places)]

    def _values(
        self, read: Callable[[int, list[str]], pa.Table], column: str, places: Sequence[Place]
    ) -> list[Any]:
        """A column at some places, every part read once."""
        value_at: dict[Place, Any] = {}
        for part in sorted({part for part, _ in places}):
            values = read(part, [column])[column]
            value_at |= {(p, row): values[row].as_py() for p, row in places if p == part}
        return [value_at[place] for place in places]

    def _kept(self, part: int) -> Path:
        return self._folder / f"kept-{part:06d}.parquet"

    def _write(self, part: int, outcomes: Sequence[tuple[str, Sample | Rejected]]) -> None:
        kept = [(split, item) for split, item in outcomes if isinstance(item, Sample)]
        left = [(split, item) for split, item in outcomes if isinstance(item, Rejected)]
        rejected = rejected_table([s for s, _ in left], [item for _, item in left], self._scene)
        table = kept_table([s for s, _ in kept], [i for _, i in kept], self._scene, self._mirror)
        with atomic_file(self._folder / f"rejected-{part:06d}.parquet") as path:
            pq.write_table(rejected, path)
        with atomic_file(self._kept(part)) as path:  # last: its presence says that the part is done
            pq.write_table(table, path, compression="NONE", use_dictionary=False)
