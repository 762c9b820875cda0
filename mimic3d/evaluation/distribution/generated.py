"""A generator's images by both branches, as sets to compare with real ones."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mimic3d.evaluation.distribution.features import Advance, Eye, ImageSet, summarize
from mimic3d.evaluation.sampling import CameraDraw, SamplingConfig, sample_branches
from mimic3d.evaluation.share import Share
from mimic3d.metrics.views import Branch
from mimic3d.networks.generator import Generator


@dataclass(frozen=True)
class Variant:
    """One way to make an image of a sample."""

    branch: Branch
    samples_per_ray: int | None = None
    """None is the generator's own number."""


@dataclass(frozen=True)
class Studio:
    """What the images of every generator have in common."""

    num: int
    """Samples."""
    resolution: int
    sampling: SamplingConfig
    eye: Eye
    share: Share

    def look(
        self, G: Generator, cameras: CameraDraw, samples_per_ray: Sequence[int],
        advance: Advance, text: str,
    ) -> dict[Variant, ImageSet]:  # fmt: skip
        """Both branches, and the 3D branch with other numbers of samples per ray.

        Objects pass the generator one by one, whatever `sampling.batch`: rounding depends on what
        else is in a batch.
        """
        alone = self.sampling.model_copy(update={"batch": 1})

        def draw(samples: range) -> dict[Variant, Float[Tensor, "n 3 h w"]]:
            images: dict[Variant, list[Tensor]] = {}
            for some in sample_branches(
                G, cameras, samples, self.resolution, alone, samples_per_ray
            ):
                for branch, image in some.images.items():
                    images.setdefault(Variant(branch), []).append(image)
                for num, image in some.resampled.items():
                    images.setdefault(Variant("3d", num), []).append(image)
            return {variant: torch.cat(parts) for variant, parts in images.items()}

        return summarize(draw, self.num, self.eye, self.share, advance, text)
