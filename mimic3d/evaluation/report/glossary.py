"""What distances between generated and real images mean."""

import re
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Distance:
    """How to read a distance; its name is a beginning that others continue."""

    unit: str
    better: Literal["high", "low", "neither"]
    meaning: str


DISTANCES = {
    r"fid": Distance("", "low", "Frechet distance of Inception features (FID)."),
    r"kid": Distance("", "low", "Unbiased kernel distance of Inception features (KID)."),
    r"precision": Distance(
        "", "high", "Share of generated images within the manifold of real ones."
    ),
    r"recall": Distance("", "high", "Share of real images within the manifold of generated ones."),
    r"fd_\w+": Distance(
        "", "low", "Frechet distance of features of another network: no FID, compares with itself."
    ),
    r"kd_\w+": Distance("", "low", "Unbiased kernel distance of features of another network."),
    r"swd_\d+": Distance("", "low", "Sliced Wasserstein distance of patches at this resolution."),
    r"swd": Distance("", "low", "Sliced Wasserstein distance, mean over resolutions, x 1000."),
}
CAMERAS = {
    "_independent": "Conditioned on another camera than the rendering one.",
    "_3d": "Conditioned on one fixed camera.",
}


def find_distance(metric: str) -> Distance | None:
    """How to read a distance by its full name; None if nobody wrote that down."""
    name, camera = metric, ""
    for suffix, words in CAMERAS.items():
        if metric.endswith(suffix):
            name, camera = metric.removesuffix(suffix), " " + words
    for pattern, found in DISTANCES.items():
        if re.fullmatch(pattern, name) or re.fullmatch(pattern + r"_\w+", name):
            return Distance(found.unit, found.better, found.meaning + camera)
    return None
