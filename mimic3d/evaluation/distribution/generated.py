"""Features of a generator's images by both branches, to compare with those of real ones."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mimic3d.evaluation.context import EvaluationContext
from mimic3d.evaluation.distribution.features import FeatureExtractor, extract_features
from mimic3d.evaluation.distribution.metrics import ImageSet
from mimic3d.evaluation.sampling import CameraDraw, sample_branches
from mimic3d.metrics.views import Branch
from mimic3d.networks.generator import Generator


@dataclass(frozen=True)
class Variant:
    """One way to make an image of a sample."""

    branch: Branch
    samples_per_ray: int | None = None
    """Samples per ray; None is the generator's own number."""


@dataclass(frozen=True)
class GeneratedFeatures:
    """Features of the images of any generator, always of the same samples."""

    ctx: EvaluationContext
    num: int
    """Number of samples."""
    extractor: FeatureExtractor

    def extract(
        self, G: Generator, cameras: CameraDraw, samples_per_ray: Sequence[int], text: str
    ) -> dict[Variant, ImageSet]:
        """Features of both branches, and of the 3D branch with other numbers of samples per ray.

        Objects pass the generator one by one, whatever `sampling.batch`: rounding depends on what
        else is in a batch.
        """
        alone = self.ctx.sampling.model_copy(update={"batch": 1})

        def draw(samples: range) -> dict[Variant, Float[Tensor, "n 3 h w"]]:
            images: dict[Variant, list[Tensor]] = {}
            for batch in sample_branches(
                G, cameras, samples, self.ctx.resolution, alone, samples_per_ray
            ):
                for branch, image in batch.images.items():
                    images.setdefault(Variant(branch), []).append(image)
                for num, image in batch.resampled.items():
                    images.setdefault(Variant("3d", num), []).append(image)
            return {variant: torch.cat(parts) for variant, parts in images.items()}

        return extract_features(draw, self.num, self.extractor, self.ctx, text)
