"""Adaptive discriminator augmentation: random transforms of what D sees, as often as it overfits.

StyleGAN2-ADA (Karras et al. 2020, Sec. 3.1). D sees real and generated images through the same
distortions, so it cannot memorise a small dataset, and G learns the undistorted images as long as
p stays well below 1.
"""

import torch
from jaxtyping import Float, Int
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator
from torch import Tensor, nn

from mimic3d.config import Config
from mimic3d.training.augment_transforms import (
    RandomSource,
    TransformConfig,
    apply_transform,
    sample_transform,
)


class AugmentConfig(Config):
    """Distortions of what D sees, and the control of their probability p."""

    enabled: bool = False
    """True if anything is ever distorted; the authors do so for AFHQ only."""
    initial_p: NonNegativeFloat = 0.0
    """Probability of each distortion at the start of a run that takes none from a snapshot."""
    max_p: PositiveFloat | None = None
    """Upper bound of p; null sets none, as in the paper, which finds that distortions leak into
    generated images from about 0.8."""
    target: float = Field(default=0.6, ge=-1, le=1)
    """Mean sign of D's logits on real images that p holds by rising above and falling below it."""
    interval: PositiveInt = 4
    """Iterations between two adjustments of p."""
    speed_kimg: PositiveFloat = 500.0
    """Images in which p can rise by 1; 100 in runs that start from a trained network (all of the
    authors' AFHQ settings)."""
    distortion: TransformConfig = TransformConfig()
    """Frequency of each distortion, as a multiple of p."""

    @model_validator(mode="after")
    def _start_within_bound(self) -> "AugmentConfig":
        if self.max_p is not None and self.initial_p > self.max_p:
            raise ValueError(
                f"initial_p must not exceed max_p = {self.max_p}, is {self.initial_p}; change one "
                f"of them"
            )
        return self


class Augment(nn.Module):
    """Distorts images with the current probability p. Its buffers are all it remembers."""

    p: Float[Tensor, ""]
    sign_sum: Float[Tensor, ""]
    pending: Int[Tensor, ""]

    def __init__(self, cfg: AugmentConfig):
        super().__init__()
        self.config = cfg
        self.register_buffer("p", torch.tensor(cfg.initial_p))
        self.register_buffer("sign_sum", torch.tensor(0.0))  # since p was last adjusted
        self.register_buffer("pending", torch.tensor(0))  # iterations since then
        self._read: tuple[Tensor, int, bool] | None = None

    def forward(
        self, images: Float[Tensor, "n c h w"], rng: torch.Generator
    ) -> Float[Tensor, "n c h w"]:
        """Images distorted at random; the very same tensor while p is 0."""
        if self.is_idle():
            return images
        with torch.autocast(images.device.type, enabled=False):  # positions need all their digits
            cfg, source = self.config.distortion, RandomSource(rng)
            return apply_transform(images, sample_transform(images.shape, self.p, cfg, source))

    @torch.no_grad()
    def observe(self, mean_sign: Float[Tensor, ""], batch: int) -> None:
        """Note the mean sign of D's logits on the reals of a global batch, once per iteration.

        Every `interval` iterations p moves by as much as `speed_kimg` allows. All of it is
        arithmetic on the device, so the host never waits.
        """
        cfg = self.config
        if not cfg.enabled:
            return
        self.sign_sum += mean_sign
        self.pending += 1
        is_due = self.pending >= cfg.interval
        step = batch * cfg.interval / (cfg.speed_kimg * 1000)
        direction = (self.sign_sum / self.pending - cfg.target).sign()
        self.p.add_(step * direction * is_due).clamp_(min=0, max=cfg.max_p)
        self.sign_sum *= ~is_due
        self.pending *= ~is_due

    def is_idle(self) -> bool:
        """True if images pass untouched, since p is 0 or all of it is off.

        The host waits for the value of p only if it was written since the last call.
        """
        if not self.config.enabled:
            return True
        version = self.p._version
        if self._read is None or self._read[0] is not self.p or self._read[1] != version:
            self._read = self.p, version, not self.p
        return self._read[2]
