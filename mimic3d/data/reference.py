"""The real images that generated ones are compared with, and others that show the floor."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mimic3d.data.dataset import ImageDataset
from mimic3d.data.schema import Manifest


@dataclass(frozen=True)
class RealSplit:
    """Two disjoint sets of as many real images each, as indices into the splits train and val."""

    reference: Int[Tensor, " n"]
    """Of train: what generated images are compared with."""
    floor_val: Int[Tensor, " k"]
    """Of val: first part of what the reference is compared with for the floor."""
    floor_train: Int[Tensor, " m"]
    """Of train: the rest of it."""


def split_reals(manifest: Manifest, num: int, seed: int) -> RealSplit:
    """The reference, and other real images whose distance from it is the floor of every distance.

    The reference is drawn from train. The other set takes val first and, where val is too small,
    images of train that the reference does not hold. A photo and its mirrored copy stay in the
    same set. Both sets have exactly `num` images, as the generated one: small sets are farther
    apart than large ones.

    Raises:
        ValueError: there are too few real images.
    """
    copies = 2 if manifest.mirror else 1
    num_train, num_val = manifest.counts.get("train", 0), manifest.counts.get("val", 0)
    most = copies * min(num_train, (num_train + num_val) // 2)
    if num > most:
        raise ValueError(
            f"evaluate.distribution.num_images must be at most {most}, is {num}: the reference and "
            f"the floor need as many different real images each, and train and val hold "
            f"{num_train} and {num_val} times {copies}; lower it or prepare more"
        )
    needed = math.ceil(num / copies)
    order = torch.randperm(num_train, generator=torch.Generator().manual_seed(seed))
    from_val = min(needed, num_val)
    rest = order[needed : 2 * needed - from_val]
    reference = _with_copies(order[:needed], num_train, copies)
    floor_val = _with_copies(torch.arange(from_val), num_val, copies)[:num]
    floor_train = _with_copies(rest, num_train, copies)
    return RealSplit(reference[:num], floor_val, floor_train[: num - len(floor_val)])


def _with_copies(rows: Int[Tensor, " n"], num_stored: int, copies: int) -> Int[Tensor, " m"]:
    return torch.stack([rows + copy * num_stored for copy in range(copies)], dim=1).flatten()


class Reals:
    """Real images in the two sets of `split_reals`."""

    def __init__(self, folder: Path, cache: Path, num: int, seed: int) -> None:
        self.train = ImageDataset(folder, "train", cache)
        self.manifest = self.train.manifest
        split = split_reals(self.manifest, num, seed)
        self._sets = {
            "reference": [(self.train, split.reference)],
            "floor": [(self.train, split.floor_train)],
        }
        if len(split.floor_val):
            self._sets["floor"].append((ImageDataset(folder, "val", cache), split.floor_val))

    def batches(
        self, which: Literal["reference", "floor"], batch: int
    ) -> Iterator[Float[Tensor, "n 3 h w"]]:
        """The images of one of the two sets, in [-1, 1]."""
        for dataset, indices in self._sets[which]:
            for start in range(0, len(indices), batch):
                yield dataset.batch(indices[start : start + batch]).image
