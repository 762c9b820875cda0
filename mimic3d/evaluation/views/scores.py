"""Metrics of single objects: pairs of views, motion, shape, branches, refitted fields, faces."""

from typing import Any

import torch
from pydantic import NonNegativeInt

from mimic3d.cameras import Cameras
from mimic3d.config import Config
from mimic3d.evaluation.metric_info import MetricInfo
from mimic3d.evaluation.views.metric import NoSettings, ViewMetric
from mimic3d.evaluation.views.objects import ObjectViews
from mimic3d.metrics.branches import branch_gap
from mimic3d.metrics.consistency import WarpConfig, pair_scores, warp_distance
from mimic3d.metrics.faces import FaceNetworkConfig, arcface_similarity, deep3d_scores
from mimic3d.metrics.flatness import flatness
from mimic3d.metrics.flow import FlowConfig, flow_scores, flow_steps
from mimic3d.metrics.refit import RefitConfig, refit_scores, refit_yaws

NUM_FACE_VIEWS = 2  # of each object (GMPI)


class RefittingConfig(Config):
    """Refitting: its objects, and the parameters of the fit."""

    num_identities: NonNegativeInt = 8
    """Number of objects, the first ones; others have no refit scores. Seconds each, per branch."""
    fit: RefitConfig = RefitConfig()
    """The views, the field and its training."""


class FacesConfig(Config):
    """Networks for faces; their scores are left out where no weights are named."""

    arcface: FaceNetworkConfig = FaceNetworkConfig()
    """ArcFace: identity across views."""
    deep3d: FaceNetworkConfig = FaceNetworkConfig()
    """Deep3DFaceRecon: pose and depth of a view."""


class WarpMetric(ViewMetric[WarpConfig]):
    """Agreement of the frontal view with one at each baseline; LPIPS too where there is one."""

    name = "warp"
    config = WarpConfig
    description = "views warped by depth"
    infos = (
        MetricInfo(
            "warp_psnr", "dB", "high", "One view warped into the other by depth; blur raises it."
        ),
        MetricInfo("warp_ssim", "", "high", "Structural similarity of the same."),
        MetricInfo(
            "warp_hf", "", "low", "Error of fine detail over its energy; 1 is a blurred picture."
        ),
        MetricInfo(
            "warp_cov", "", "high", "Fraction of the foreground that both views show and compare."
        ),
        MetricInfo("warp_lpips", "", "low", "LPIPS of one view warped into the other."),
        MetricInfo(
            "depth_xview", "world units", "low", "Difference of depth; a flat billboard has none."
        ),
        MetricInfo(
            "depth_contra", "", "low", "Fraction of the surface that the other view looks through."
        ),
    )

    def measure(self, views: ObjectViews) -> dict[str, float]:
        """Scores by name and baseline."""
        scores, front = {}, views.source(0.0, views.pitch_rad)
        for yaw in self.shared.baselines_rad:
            other = views.source(yaw, views.pitch_rad)
            of_pair = numbers(pair_scores(front, other, self.cfg))
            if (lpips := self.networks.lpips) is not None:
                of_pair["warp_lpips"] = warp_distance(front, other, self.cfg, lpips).item()
            scores |= {f"{name}_at_{yaw:g}": value for name, value in of_pair.items()}
        return scores


class FlowMetric(ViewMetric[FlowConfig]):
    """Flow residual over three views; each object gets the step at which its texture moves alike.

    The step is rounded to a millionth of a radian, so that a repeated evaluation takes the same.
    """

    name = "flow"
    config = FlowConfig
    description = "motion against depth"
    uses = ("warp",)  # which pixels count
    infos = (
        MetricInfo(
            "flow_residual", "", "low", "Fraction of motion that depth does not explain; 1 is all."
        ),
        MetricInfo(
            "flow_ratio",
            "",
            "neither",
            "Observed over predicted change: 1; glued below, flat above.",
        ),
        MetricInfo(
            "flow_motion_px", "px", "neither", "Motion per step; compare flow where it is equal."
        ),
    )

    def measure(self, views: ObjectViews) -> dict[str, float]:
        """Scores of small steps of the camera."""
        pitch, warp = views.pitch_rad, self.shared.warp
        front = views.source(0.0, pitch)
        step = round(flow_steps(front, pitch, views.scene, warp, self.cfg).item(), 6)
        left, right = views.source(-step, pitch), views.source(step, pitch)
        return numbers(flow_scores(left, front, right, warp))


class FlatnessMetric(ViewMetric[NoSettings]):
    """Non-flatness of the frontal view."""

    name = "flatness"
    description = "non-flatness"
    infos = (
        MetricInfo(
            "nfs", "bins", "high", "Non-flatness: depths in the picture, 1 a plane; an alarm only."
        ),
        MetricInfo("nfs_fg", "bins", "high", "Non-flatness of the foreground alone."),
    )

    def measure(self, views: ObjectViews) -> dict[str, float]:
        """Scores of its depth."""
        view, scene = views.source(0.0, views.pitch_rad), views.scene
        return numbers(flatness(view.depth, view.alpha, scene.near, scene.far))


class GapMetric(ViewMetric[NoSettings]):
    """Likeness of the frontal views of both branches; the 2D branch is the target."""

    name = "gap"
    description = "3D branch against 2D branch"
    infos = (
        MetricInfo("gap_psnr", "dB", "high", "3D branch against the 2D branch that it imitates."),
        MetricInfo("gap_ssim", "", "high", "Structural similarity of both branches."),
        MetricInfo(
            "gap_hf", "", "low", "Error of the 3D branch's fine detail; 1 where none is right."
        ),
    )

    def measure(self, views: ObjectViews) -> dict[str, float]:
        """Scores of the 3D branch."""
        if views.branch != "3d":
            return {}
        branches = (views.sources[branch] for branch in ("3d", "2d"))
        return numbers(branch_gap(*(source(0.0, views.pitch_rad).image for source in branches)))


class RefitMetric(ViewMetric[RefittingConfig]):
    """Predictability of held-out views of an object from the others, by a radiance field.

    Fitted on the CPU, wherever the views were rendered: a GPU adds up gradients of voxels in an
    order that changes from run to run.
    """

    name = "refit"
    config = RefittingConfig
    description = "a radiance field fitted to views"
    infos = (
        MetricInfo("refit_psnr", "dB", "high", "Views that a radiance field predicts from others."),
        MetricInfo("refit_ssim", "", "high", "Structural similarity of the same."),
        MetricInfo("refit_hf", "", "low", "Error of fine detail of the same."),
    )

    def measure(self, views: ObjectViews) -> dict[str, float]:
        """Scores of one of the first objects."""
        if views.identity >= self.cfg.num_identities:
            return {}
        fit = self.cfg.fit
        posed = [views.source(yaw, views.pitch_rad) for yaw in refit_yaws(fit).tolist()]
        cameras = Cameras(
            torch.cat([view.cameras.cam2world for view in posed]),
            torch.cat([view.cameras.intrinsics for view in posed]),
        ).to("cpu")
        images = torch.stack([view.image.cpu() for view in posed], dim=1)
        return numbers(refit_scores(images, cameras, views.scene.box_warp, fit))


class FacesMetric(ViewMetric[FacesConfig]):
    """Scores by networks for faces, brought by the user, of an object from two sides."""

    name = "faces"
    config = FacesConfig
    description = "networks for faces"
    is_listed = False
    infos = (
        MetricInfo("arcface_id", "", "high", "Likeness of two views of a face to ArcFace."),
        MetricInfo(
            "deep3d_pose", "rad^2", "low", "Pose asked for against pose read by Deep3DFaceRecon."
        ),
        MetricInfo(
            "deep3d_depth", "", "low", "Depth against that of Deep3DFaceRecon, both standardised."
        ),
    )

    def measure(self, views: ObjectViews) -> dict[str, float]:
        """Likeness of the first two drawn views; pose and depth errors, means over both."""
        arcface, deep3d = self.networks.arcface, self.networks.deep3d
        scores = {}
        if arcface is None and deep3d is None:
            return scores
        posed = [views.source(*angles) for angles in views.angles[:NUM_FACE_VIEWS].tolist()]
        if arcface is not None:
            a, b = (view.image for view in posed)
            scores["arcface_id"] = arcface_similarity(arcface, a, b, self.cfg.arcface).item()
        if deep3d is not None:
            of_views = [deep3d_scores(deep3d, view, self.cfg.deep3d) for view in posed]
            for name in vars(of_views[0]):
                values = [getattr(one, name).item() for one in of_views]
                scores[name] = sum(values) / len(posed)
        return scores


def numbers(scores: Any) -> dict[str, float]:
    """The fields of a dataclass of scores of one object."""
    return {name: value.item() for name, value in vars(scores).items()}
