"""Every multi-view metric: its unit, its better direction, and what it means in one line."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Metric:
    """What a reader of a table needs to know of one column."""

    name: str
    unit: str
    """Empty for shares, ratios and the like."""
    better: Literal["high", "low", "neither"]
    meaning: str


def _metrics(*metrics: Metric) -> dict[str, Metric]:
    return {metric.name: metric for metric in metrics}


METRICS = _metrics(
    Metric("warp_psnr", "dB", "high", "One view warped into the other by depth; blur raises it."),
    Metric("warp_ssim", "", "high", "Structural similarity of the same."),
    Metric("warp_hf", "", "low", "Error of fine detail over its energy; 1 is a blurred picture."),
    Metric("warp_cov", "", "high", "Share of the foreground that both views show and compare."),
    Metric("warp_lpips", "", "low", "LPIPS of one view warped into the other."),
    Metric("depth_xview", "world units", "low", "Difference of depth; a flat billboard has none."),
    Metric("depth_contra", "", "low", "Share of the surface that the other view looks through."),
    Metric("flow_residual", "", "low", "Share of motion that depth does not explain; 1 is all."),
    Metric("flow_ratio", "", "neither", "Seen over predicted change: 1; glued below, flat above."),
    Metric("flow_motion_px", "px", "neither", "Motion per step; compare flow where it is equal."),
    Metric("nfs", "bins", "high", "Non-flatness: depths in the picture, 1 a plane; an alarm only."),
    Metric("nfs_fg", "bins", "high", "Non-flatness of the foreground alone."),
    Metric("nfs_3dgp", "bins", "high", "Non-flatness as published (3DGP); depends on all objects."),
    Metric("gap_psnr", "dB", "high", "3D branch against the 2D branch that it imitates."),
    Metric("gap_ssim", "", "high", "Structural similarity of both branches."),
    Metric("gap_hf", "", "low", "Error of the 3D branch's fine detail; 1 where none is right."),
    Metric("probe_yaw_deg", "degrees", "low", "Yaw asked for against yaw seen by the probe."),
    Metric("probe_pitch_deg", "degrees", "low", "The same of the pitch."),
    Metric("probe_id_cos", "", "high", "Likeness of two views of an object to the probe."),
    Metric("probe_id_floor", "", "low", "Likeness of two objects; high if all look alike."),
    Metric("refit_psnr", "dB", "high", "Views that a radiance field predicts from others."),
    Metric("refit_ssim", "", "high", "Structural similarity of the same."),
    Metric("refit_hf", "", "low", "Error of fine detail of the same."),
    Metric("arcface_id", "", "high", "Likeness of two views of a face to ArcFace."),
    Metric("deep3d_pose", "rad^2", "low", "Pose asked for against pose seen by Deep3DFaceRecon."),
    Metric("deep3d_depth", "", "low", "Depth against that of Deep3DFaceRecon, both standardised."),
)  # fmt: skip


def find_metric(name: str) -> Metric:
    """The metric behind a full name such as warp_psnr_at_0.2.

    Raises:
        ValueError: there is none.
    """
    metric = METRICS.get(name.partition("_at_")[0])
    if metric is None:
        raise ValueError(f"a multi-view metric must be one of {', '.join(METRICS)}, is {name}")
    return metric
