"""How the numbers of an evaluation read: unit, better direction, meaning in one line."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

Better = Literal["high", "low", "neither"]

CAMERAS = {
    "_independent": "Conditioned on another camera than the rendering one.",
    "_3d": "Conditioned on one fixed camera.",
}
"""What the ends of names of distances say of the cameras."""


@dataclass(frozen=True)
class MetricInfo:
    """What a reader of a table needs to know of one number."""

    name: str
    """`*` stands for the network or the side that a distance is named after."""
    unit: str
    """Empty for fractions, ratios and the like."""
    better: Better
    meaning: str


def view_metric_info(infos: Iterable[MetricInfo], name: str) -> MetricInfo | None:
    """The multi-view metric behind a full name such as warp_psnr_at_0.2; None if unknown."""
    by_name = {info.name: info for info in infos}
    return by_name.get(name.partition("_at_")[0])


def distance_info(infos: Iterable[MetricInfo], name: str) -> MetricInfo | None:
    """The distance behind a full name such as kid_3d or fid_at_24_samples; None if unknown."""
    stem, camera = re.sub(r"_at_\d+_samples$", "", name), ""
    for suffix, words in CAMERAS.items():
        if stem.endswith(suffix):
            stem, camera = stem.removesuffix(suffix), " " + words
    for info in infos:
        if re.fullmatch(info.name.replace("*", r"\w+"), stem):
            return replace(info, meaning=info.meaning + camera)
    return None
