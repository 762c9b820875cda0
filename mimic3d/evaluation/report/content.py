"""What the report shows; the stage fills it in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import pandas as pd
from PIL import Image

from mimic3d.evaluation.report.plots import Plot


@runtime_checkable
class Meaning(Protocol):
    """What a reader needs to know of a metric."""

    @property
    def unit(self) -> str:
        """Empty for shares and ratios."""
        ...

    @property
    def better(self) -> Literal["high", "low", "neither"]:
        """Which way is good."""
        ...

    @property
    def meaning(self) -> str:
        """One sentence."""
        ...


@dataclass(frozen=True)
class Picture:
    """A picture with the words below it, and those in its place where it is not seen."""

    title: str
    image: Image.Image
    caption: str
    alt: str


@dataclass(frozen=True)
class Report:
    """An evaluation of one snapshot."""

    facts: Mapping[str, str]
    """Of the header, in order: snapshot, images of its training, dataset, commit..."""
    distances: pd.DataFrame
    """Columns name (3d/fid, floor/swd_64, untrained/2d/kid...), value, low and high (NaN where a
    value has no interval)."""
    scores: pd.DataFrame
    """Columns branch (2d, 3d, ceiling), metric (warp_psnr_at_0.2...), mean, low, high, num."""
    meanings: Mapping[str, Meaning]
    """Of multi-view metrics, by name without _at_..."""
    plots: tuple[Plot, ...]
    pictures: tuple[Picture, ...]
    protocol: Mapping[str, Any]
    """By part: how it was measured; a part that is a mapping with the key `hash` has one."""
    commands: str
    """What to type to get the same again."""
    notices: tuple[str, ...]
    """What a reader must hear first, such as how the snapshot was chosen."""
