"""Pairs of views: one warped into the other by depth, and the two branches side by side."""

from mimic3d.evaluation.views.objects import Sitter, numbers
from mimic3d.metrics.branches import branch_gap
from mimic3d.metrics.consistency import WarpConfig, pair_scores, warp_distance
from mimic3d.metrics.views import ImageDistance


def score_pairs(
    sitter: Sitter, pitch_rad: float, baselines_rad: tuple[float, ...], cfg: WarpConfig,
    lpips: ImageDistance | None,
) -> dict[str, float]:  # fmt: skip
    """Agreement of the frontal view with one at each baseline; LPIPS too where there is one."""
    found, front = {}, sitter(0.0, pitch_rad)
    for yaw in baselines_rad:
        other = sitter(yaw, pitch_rad)
        scores = numbers(pair_scores(front, other, cfg))
        if lpips is not None:
            scores["warp_lpips"] = warp_distance(front, other, cfg, lpips).item()
        found |= {f"{name}_at_{yaw:g}": value for name, value in scores.items()}
    return found


def score_gap(imitation: Sitter, target: Sitter, pitch_rad: float) -> dict[str, float]:
    """Likeness of the frontal views of both branches; the 2D branch is the target."""
    views = (sitter(0.0, pitch_rad).image for sitter in (imitation, target))
    return numbers(branch_gap(*views))
