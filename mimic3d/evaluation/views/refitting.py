"""Fits a radiance field to an object's views and scores those that it was not fitted to."""

import torch
from pydantic import NonNegativeInt

from mimic3d.cameras import Cameras
from mimic3d.config import Config
from mimic3d.evaluation.views.objects import Sitter, numbers
from mimic3d.metrics.refit import RefitConfig, refit_scores, refit_yaws


class RefittingConfig(Config):
    """Which objects are refitted, and how."""

    num_identities: NonNegativeInt = 8
    """Objects, the first ones; the others have no refit scores. Seconds each, per branch."""
    fit: RefitConfig = RefitConfig()
    """The views, the field and its training."""


def score_refit(
    sitter: Sitter, pitch_rad: float, box_warp: float, cfg: RefitConfig
) -> dict[str, float]:
    """How well held-out views of an object follow from the others.

    Fitted on the CPU, wherever the views were rendered: a GPU adds up gradients of voxels in an
    order that changes from run to run.
    """
    views = [sitter(yaw, pitch_rad) for yaw in refit_yaws(cfg).tolist()]
    cameras = Cameras(
        torch.cat([view.cameras.cam2world for view in views]),
        torch.cat([view.cameras.intrinsics for view in views]),
    ).to("cpu")
    images = torch.stack([view.image.cpu() for view in views], dim=1)
    return numbers(refit_scores(images, cameras, box_warp, cfg))
