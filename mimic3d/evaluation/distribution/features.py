"""Sets of images as all that distances need to know of them: features and patches."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from mimic3d.evaluation.share import Share
from mimic3d.metrics.features import FeatureNetwork, to_uint8
from mimic3d.metrics.sliced_wasserstein import (
    PatchConfig,
    Patches,
    merge_patches,
    sample_patches,
)

BLOCK = 32  # images that a process draws and looks at together, whatever the number of processes

Advance = Callable[[int, str], None]
"""Told how many more measurements are done, and what is being done."""

K = TypeVar("K")
Draw = Callable[[range], Mapping[K, Float[Tensor, "n 3 h w"]]]
"""Images in [-1, 1] of the numbered samples, by the set they belong to."""


@dataclass(frozen=True)
class ImageSet:
    """A set of images, on the CPU."""

    features: dict[str, Float[Tensor, "n _"]]
    """By the label of their network."""
    patches: Patches | None


@dataclass(frozen=True)
class Eye:
    """What looks at images."""

    networks: Sequence[FeatureNetwork]
    patches: PatchConfig | None
    """None takes no patches."""

    @torch.no_grad()
    def look(self, images: Float[Tensor, "n 3 h w"], first: int) -> ImageSet:
        """A part of a set, quantised as if stored; `first` is the number of its first image."""
        stored = to_uint8(images)
        features = {network.label: network(stored).float().cpu() for network in self.networks}
        patches = None
        if self.patches is not None and first < self.patches.max_images:
            some = stored[: self.patches.max_images - first]
            patches = sample_patches(some, first, self.patches)
        return ImageSet(features, patches)


def summarize(
    draw: Draw[K], num: int, eye: Eye, share: Share, advance: Advance, text: str
) -> dict[K, ImageSet]:
    """What is known of all samples 0..num-1, set by set; images are forgotten block by block.

    Every process looks at blocks of its own, and all of them learn everything. The blocks are the
    same for any number of processes, and so are the bits of what is found.
    """
    found, done = [], 0
    for samples in share.batches(num, BLOCK):
        sets = {key: eye.look(images, samples.start) for key, images in draw(samples).items()}
        found.append((samples.start, sets))
        done += len(samples)
        advance(len(samples), text)
    blocks = share.gather(found)
    advance(num - done, text)
    return {key: _merge([sets[key] for sets in blocks]) for key in blocks[0]}


def _merge(parts: Sequence[ImageSet]) -> ImageSet:
    labels = parts[0].features
    patches = [part.patches for part in parts if part.patches is not None]
    return ImageSet(
        {label: torch.cat([part.features[label] for part in parts]) for label in labels},
        merge_patches(patches) if patches else None,
    )
