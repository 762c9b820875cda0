"""Gap between the 3D branch and the 2D branch that it imitates: same latent, same camera."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mimic3d.metrics.similarity import high_pass_error, psnr, ssim
from mimic3d.metrics.views import unit_range


@dataclass(frozen=True)
class GapScores:
    """Likeness of both branches, image by image; the 2D branch is the target."""

    gap_psnr: Float[Tensor, " n"]
    """PSNR, dB."""
    gap_ssim: Float[Tensor, " n"]
    """Structural similarity."""
    gap_hf: Float[Tensor, " n"]
    """Energy of the error over energy of the 2D branch, both high-passed; 1: no detail is right."""


def branch_gap(imitation: Float[Tensor, "n 3 h w"], target: Float[Tensor, "n 3 h w"]) -> GapScores:
    """Scores of images in [-1, 1] of the 3D branch against those of the 2D branch."""
    image, goal = unit_range(imitation), unit_range(target)
    everywhere = torch.ones_like(image[:, :1])
    return GapScores(
        gap_psnr=psnr(image, goal, everywhere),
        gap_ssim=ssim(image, goal, everywhere),
        gap_hf=high_pass_error(image, goal, everywhere),
    )
