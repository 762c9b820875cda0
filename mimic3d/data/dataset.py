"""Prepared images as tensors: training and validation splits, and held-out heads in many views."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from mimic3d.cameras import cameras_from_labels, mirror_cameras, position_angles
from mimic3d.data.cache import open_cache
from mimic3d.data.schema import EVAL_YAWS_RAD, load_manifest


@dataclass(frozen=True)
class Batch:
    """Images and the labels of their cameras."""

    image: Float[Tensor, "n 3 h w"]
    c: Float[Tensor, "n 25"]


@dataclass(frozen=True)
class Multiview:
    """Held-out heads, all from the same yaws, with exact depth; the yardstick of metrics."""

    images: Float[Tensor, "i v 3 h w"]
    depth: Float[Tensor, "i v h w"]
    """Distance along the ray; the scene's far where nothing is hit."""
    alpha: Float[Tensor, "i v h w"]
    labels: Float[Tensor, "i v 25"]
    yaw: Float[Tensor, "i v"]
    """Yaw by position, rad."""


class ImageDataset:
    """Split of a prepared dataset, read from raw pixels on disk.

    With a mirroring manifest, index N + i is image i mirrored left to right, seen by the mirrored
    camera; N is the number of stored images.
    """

    def __init__(self, folder: Path, split: str, cache: Path) -> None:
        """Opens a split; the first call on a machine decodes it into the folder `cache`.

        Raises:
            ValueError: The split is empty or the folder holds no dataset.
        """
        self.manifest = load_manifest(folder)
        if self.manifest.counts.get(split, 0) == 0:
            raise ValueError(f"{folder} has no images in the split {split}; prepare some")
        raw = open_cache(folder, self.manifest, split, cache)
        self._pixels = raw.images
        self.labels: Float[Tensor, "m 25"] = torch.from_numpy(raw.labels.copy())
        self.weights: Float[Tensor, " m"] = torch.from_numpy(raw.weights.copy())
        if self.manifest.mirror:
            mirrored = mirror_cameras(cameras_from_labels(self.labels)).labels()
            self.labels = torch.cat([self.labels, mirrored])
            self.weights = torch.cat([self.weights, self.weights])

    def __len__(self) -> int:
        return len(self.labels)

    def pixels(self, indices: Int[Tensor, " n"]) -> UInt8[Tensor, "n 3 h w"]:
        """The images as bytes, mirrored where the index says so."""
        num_stored = len(self._pixels)
        order = indices.numpy()
        pixels = self._pixels[order % num_stored]
        mirrored = order >= num_stored
        if mirrored.any():
            pixels[mirrored] = pixels[mirrored][..., ::-1]
        return torch.from_numpy(pixels)

    def batch(self, indices: Int[Tensor, " n"]) -> Batch:
        """The images in [-1, 1] and their labels."""
        return Batch(_unit_range(self.pixels(indices)), self.labels[indices])


def load_multiview(folder: Path, cache: Path) -> Multiview | None:
    """The held-out heads in all views; None if the dataset has none, as of photos.

    Never mirrored. Heads are in the order of their identities, views in that of `EVAL_YAWS_RAD`.
    """
    manifest = load_manifest(folder)
    if manifest.counts.get("eval_multiview", 0) == 0:
        return None
    raw = open_cache(folder, manifest, "eval_multiview", cache)
    if raw.alpha is None or raw.depth is None:
        raise ValueError(f"{folder} has multi-view images without depth; run prepare again")
    views = (-1, len(EVAL_YAWS_RAD))
    labels = torch.from_numpy(raw.labels.copy())
    yaw, _, _ = position_angles(cameras_from_labels(labels), manifest.scene.orbit_center)
    return Multiview(
        images=_unit_range(torch.from_numpy(np.array(raw.images))).unflatten(0, views),
        depth=torch.from_numpy(np.array(raw.depth)).unflatten(0, views),
        alpha=torch.from_numpy(np.array(raw.alpha)).div(255).unflatten(0, views),
        labels=labels.unflatten(0, views),
        yaw=yaw.unflatten(0, views),
    )


def _unit_range(pixels: UInt8[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 h w"]:
    return pixels.float().div_(127.5).sub_(1)
