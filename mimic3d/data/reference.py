"""Real images to compare generated ones with, at the end and in the course of a training."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mimic3d.data.dataset import ImageDataset
from mimic3d.data.schema import Manifest, load_manifest

RealSet = Literal["reference", "floor"]


@dataclass(frozen=True)
class RealSplit:
    """Two disjoint sets of as many real images each, as indices into the splits train and val."""

    reference: Int[Tensor, " n"]
    """Images of train that generated images are compared with."""
    floor_val: Int[Tensor, " k"]
    """Images of val: first part of those that the reference is compared with for the floor."""
    floor_train: Int[Tensor, " m"]
    """Images of train: the rest of them."""


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
    most = copies * _largest_reference(num_train, num_val)
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


@dataclass(frozen=True)
class ValidationSplit:
    """Real images for choices made in a training, as indices into the splits val and train."""

    val: Int[Tensor, " k"]
    train: Int[Tensor, " m"]
    """Images that are in no reference of `split_reals` with seed 0, however large it is."""

    @property
    def num(self) -> int:
        """Number of images."""
        return len(self.val) + len(self.train)

    @property
    def description(self) -> str:
        """Description of the images, for people."""
        parts = {"val": self.val, "train outside of the reference": self.train}
        return " and ".join(f"{len(part)} of {name}" for name, part in parts.items() if len(part))


def split_validation(manifest: Manifest, num: int, key: str) -> ValidationSplit:
    """Real images, at most `num`: of val and, where that is too small, of train.

    A largest reference takes the first half or so of train in random order; these come from its
    end. A photo is followed by its mirrored copy. `key` names the parameters in errors.

    Raises:
        ValueError: there are fewer than two.
    """
    copies = 2 if manifest.mirror else 1
    num_train, num_val = manifest.counts.get("train", 0), manifest.counts.get("val", 0)
    order = torch.randperm(num_train, generator=torch.Generator().manual_seed(0))
    unused = order[_largest_reference(num_train, num_val) :].flip(0)
    val = _with_copies(torch.arange(num_val), num_val, copies)[:num]
    train = _with_copies(unused, num_train, copies)[: num - len(val)]
    if len(val) + len(train) < 2:
        raise ValueError(
            f"{key}.every_kimg must be 0 with this dataset, which holds no two images beside those "
            f"that `evaluate` compares with: train has {num_train}, val {num_val}; or prepare more"
        )
    return ValidationSplit(val, train)


def _largest_reference(num_train: int, num_val: int) -> int:
    return min(num_train, (num_train + num_val) // 2)


def _with_copies(rows: Int[Tensor, " n"], num_stored: int, copies: int) -> Int[Tensor, " m"]:
    return torch.stack([rows + copy * num_stored for copy in range(copies)], dim=1).flatten()


class Reals:
    """Real images in the two sets of `split_reals`."""

    def __init__(self, folder: Path, cache: Path, num: int, seed: int) -> None:
        self.train = ImageDataset(folder, "train", cache)
        self.manifest = self.train.manifest
        self.num, self.seed = num, seed
        split = split_reals(self.manifest, num, seed)
        self._sets: dict[RealSet, list[tuple[ImageDataset, Int[Tensor, " n"]]]] = {
            "reference": [(self.train, split.reference)],
            "floor": [(self.train, split.floor_train)],
        }
        if len(split.floor_val):
            val = ImageDataset(folder, "val", cache)
            self._sets["floor"].insert(0, (val, split.floor_val))

    def images(self, which: RealSet, samples: range) -> Float[Tensor, "n 3 h w"]:
        """The numbered images of one of the two sets, in [-1, 1]."""
        parts, offset = [], 0
        for dataset, indices in self._sets[which]:
            here = indices[max(0, samples.start - offset) : max(0, samples.stop - offset)]
            parts += [dataset.batch(here).image] if len(here) else []
            offset += len(indices)
        return torch.cat(parts)


class Validation:
    """Real images of `split_validation`."""

    def __init__(self, folder: Path, cache: Path, num: int, key: str) -> None:
        split = split_validation(load_manifest(folder), num, key)
        self.num, self.description = split.num, split.description
        self._sets = [
            (ImageDataset(folder, name, cache), indices)
            for name, indices in (("val", split.val), ("train", split.train))
            if len(indices)
        ]

    def batches(self, batch: int) -> Iterator[Float[Tensor, "n 3 h w"]]:
        """The images in [-1, 1]."""
        for dataset, indices in self._sets:
            for here in indices.split(batch):
                yield dataset.batch(here).image
