"""Descriptions of the numbers of an evaluation: unit, better direction, meaning in one line."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

Better = Literal["high", "low", "neither"]

CAMERAS = {
    "_independent": "Conditioned on another camera than the rendering one.",
    "_3d": "Conditioned on one fixed camera.",
}
"""Meanings of the suffixes of names of distances, which tell the cameras."""


@dataclass(frozen=True)
class MetricInfo:
    """Description of one number for the reader of a table."""

    name: str
    """Name of the number; `*` stands for the network or the side that a distance is named after."""
    unit: str
    """Unit; empty for fractions, ratios and the like."""
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
