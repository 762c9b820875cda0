"""Distances of both branches to real images, beside the floor and an untrained generator."""

from collections.abc import Callable
from typing import Literal

import torch
from pydantic import PositiveInt

from mimic3d.cameras import Scene
from mimic3d.config import Config
from mimic3d.data.reference import Reals
from mimic3d.evaluation.sampling import BRANCHES, SamplingConfig, sample_branches
from mimic3d.metrics.distribution import ImageSummary, PatchConfig, distances
from mimic3d.metrics.features import RandomConvFeatures, resize
from mimic3d.metrics.protocol import Branch
from mimic3d.networks.generator import Generator, GeneratorConfig

Advance = Callable[[int, str], None]
"""Told how many more measurements are done, and what is being done."""


class DistributionConfig(Config):
    """Generated against real images."""

    num_images: PositiveInt = 1024
    """Generated images per branch, and as many real ones; at most half of what the dataset has."""
    patches: PatchConfig = PatchConfig()
    """Of the sliced Wasserstein distance."""


def measure_distances(
    G: Generator, data: Reals, resolution: int, cfg: DistributionConfig, sampling: SamplingConfig,
    advance: Advance,
) -> dict[str, float]:  # fmt: skip
    """Distances of both branches, of an untrained generator's and of other real images."""
    device = next(G.parameters()).device
    network = RandomConvFeatures().to(device)
    patches, num = cfg.patches, cfg.num_images

    def summarize_reals(which: Literal["reference", "floor"]) -> ImageSummary:
        summary, first = ImageSummary(network, patches), 0
        for image in data.batches(which, sampling.batch):
            summary.append(resize(image.to(device), resolution), first)
            first += len(image)
            advance(len(image), "looking at real images")
        return summary

    def summarize_branches(generator: Generator, text: str) -> dict[Branch, ImageSummary]:
        summaries: dict[Branch, ImageSummary] = {
            branch: ImageSummary(network, patches) for branch in BRANCHES
        }
        labels = data.train.labels.to(device)
        for some in sample_branches(generator, labels, num, resolution, sampling):
            for branch, image in some.images.items():
                summaries[branch].append(image, some.first)
            advance(len(some.images["3d"]), text)
        return summaries

    reference = summarize_reals("reference")
    compared: dict[str, ImageSummary] = {
        "floor": summarize_reals("floor"),
        **summarize_branches(G, "sampling both branches"),
    }
    untrained = build_untrained(G.config, G.scene, sampling.seed).to(device)
    for branch, summary in summarize_branches(untrained, "sampling untrained branches").items():
        compared[f"untrained/{branch}"] = summary
    return {
        f"{name}/{metric}": value
        for name, summary in compared.items()
        for metric, value in distances(reference, summary, patches).items()
    }


def build_untrained(cfg: GeneratorConfig, scene: Scene, seed: int) -> Generator:
    """A generator of the same sizes with fresh weights: what training started from."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Generator(cfg, scene).eval().requires_grad_(False)
