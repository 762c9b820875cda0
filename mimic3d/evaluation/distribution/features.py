"""Features and patches of sets of images, from which their distances are computed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from mimic3d.evaluation.context import EvaluationContext
from mimic3d.evaluation.distribution.metrics import ImageSet
from mimic3d.metrics.features import FeatureNetwork, to_uint8
from mimic3d.metrics.sliced_wasserstein import PatchConfig, merge_patches, sample_patches

BLOCK = 32  # images that a process draws and extracts together, whatever the number of processes

K = TypeVar("K")
Draw = Callable[[range], Mapping[K, Float[Tensor, "n 3 h w"]]]
"""Function that draws images in [-1, 1] of the numbered samples, by the set they belong to."""


@dataclass(frozen=True)
class FeatureExtractor:
    """Extractor of the features and patches that distances compare."""

    networks: Sequence[FeatureNetwork]
    patches: PatchConfig | None
    """Parameters of the patches; None takes none."""

    @torch.no_grad()
    def extract(self, images: Float[Tensor, "n 3 h w"], first: int) -> ImageSet:
        """Features of a part of a set, quantised as if stored; `first` numbers its first image."""
        stored = to_uint8(images)
        features = {network.label: network(stored).float().cpu() for network in self.networks}
        patches = None
        if self.patches is not None and first < self.patches.max_images:
            patches = sample_patches(stored[: self.patches.max_images - first], first, self.patches)
        return ImageSet(features, patches)


def extract_features(
    draw: Draw[K], num: int, extractor: FeatureExtractor, ctx: EvaluationContext, text: str
) -> dict[K, ImageSet]:
    """Features of all samples 0..num-1, set by set; images are forgotten block by block.

    Every process extracts blocks of its own, and all of them learn everything. The blocks are the
    same for any number of processes, and so are the bits of the result.
    """
    parts, done = [], 0
    for samples in ctx.group.batches(num, BLOCK):
        images = draw(samples)
        sets = {key: extractor.extract(batch, samples.start) for key, batch in images.items()}
        parts.append((samples.start, sets))
        done += len(samples)
        ctx.advance(len(samples), text)
    blocks = ctx.group.gather(parts)
    ctx.advance(num - done, text)
    return {key: _merge([sets[key] for sets in blocks]) for key in blocks[0]}


def _merge(parts: Sequence[ImageSet]) -> ImageSet:
    labels = parts[0].features
    patches = [part.patches for part in parts if part.patches is not None]
    return ImageSet(
        {label: torch.cat([part.features[label] for part in parts]) for label in labels},
        merge_patches(patches) if patches else None,
    )
