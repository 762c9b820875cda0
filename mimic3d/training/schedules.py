"""Schedules of a training: pure functions of kimg."""

from pydantic import Field, NonNegativeFloat

from mimic3d.config import Config


class SwappingConfig(Config):
    """Probability that G is conditioned on another sample's camera (EG3D Sec. 4.4)."""

    final_prob: float = Field(default=0.5, ge=0, le=1)
    """Probability of swapping at the end of the fade."""
    fade_kimg: NonNegativeFloat = 1000.0
    """Time in which the probability falls from 1 to `final_prob`; 0 starts at `final_prob`."""


def swapping_prob(kimg: float, cfg: SwappingConfig) -> float:
    """Probability that G's mapping sees the camera of another sample."""
    if cfg.fade_kimg == 0:
        return cfg.final_prob
    return 1 - (1 - cfg.final_prob) * min(kimg / cfg.fade_kimg, 1)


class BlurConfig(Config):
    """Blur on the images that D sees, so that it judges coarse shape first."""

    initial_sigma_px: NonNegativeFloat = 10.0
    """Sigma at the start, in pixels of the image; 0 never blurs."""
    fade_kimg: NonNegativeFloat | None = None
    """Time in which sigma falls linearly to 0; null is batch x 200/32."""


def blur_sigma(kimg: float, cfg: BlurConfig, batch: int = 32) -> float:
    """Sigma in pixels of the blur on what D sees."""
    fade_kimg = batch * 200 / 32 if cfg.fade_kimg is None else cfg.fade_kimg
    if kimg >= fade_kimg:
        return 0.0
    return cfg.initial_sigma_px * (1 - kimg / fade_kimg)
