"""Quantities of every row, with the values that a perfect or hopeless model would get."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Quantity:
    """One metric, as `evaluate` names it behind the branch."""

    metric: str
    title: str
    better: Literal["low", "high"]
    reference: str
    """The metric, with its branch, that stands in the head: the floor of a distance, which other
    real images get, or the ceiling, which true renderings of the objects get."""
    percent: bool = False

    def text(self, value: float) -> str:
        """A value for a table."""
        return f"{100 * value:.0f} %" if self.percent else f"{value:.3g}"


def _of_views(metric: str, title: str, better: Literal["low", "high"], percent: bool = False):
    return Quantity(metric, title, better, f"ceiling/{metric}", percent)


QUANTITIES = (
    Quantity("fd_random_conv", "FD", "low", "floor/fd_random_conv"),
    Quantity("fd_random_conv_3d", "FD, fixed conditioning", "low", "floor/fd_random_conv"),
    _of_views("warp_psnr_at_0.2", "warp PSNR at 0.2 rad, dB", "high"),
    _of_views("warp_cov_at_0.2", "share of pixels it compares", "high", percent=True),
    _of_views("warp_hf_at_0.2", "warp error of fine detail", "low"),
    _of_views("flow_residual", "flow residual", "low"),
    _of_views("nfs", "non-flatness, bins", "high"),
    _of_views("depth_xview_at_0.2", "depth error between views", "low"),
    _of_views("depth_contra_at_0.2", "contradicted surface", "low", percent=True),
)


def find_quantity(metric: str) -> Quantity:
    """The quantity of a metric.

    Raises:
        ValueError: none has it.
    """
    for quantity in QUANTITIES:
        if quantity.metric == metric:
            return quantity
    known = ", ".join(quantity.metric for quantity in QUANTITIES)
    raise ValueError(
        f"a claim's metric must be one of {known}, is {metric}; change it in rows.yaml"
    )
