"""Random transforms of adaptive discriminator augmentation.

The pipeline of StyleGAN2-ADA (Karras et al. 2020, App. B): its order, probabilities and strengths.
Drawing is apart from applying: `sample_transform` turns random numbers into one map per image,
`apply_transform` applies the maps and can be differentiated twice.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from pydantic import NonNegativeFloat
from torch import Tensor

from mimic3d.config import Config
from mimic3d.training.wavelets import amplify_bands, warp

# Strengths of StyleGAN2-ADA App. B: standard deviations, where nothing else is said.
INTEGER_TRANSLATION = 0.125  # largest, as a share of the image
FRACTIONAL_TRANSLATION = 0.125  # share of the image
SCALE = 0.2  # octaves, of isotropic and anisotropic scale alike
BRIGHTNESS = 0.2
CONTRAST = 0.5  # octaves
SATURATION = 1.0  # octaves
BAND_GAIN = 1.0  # octaves
BAND_POWER = (10 / 13, 1 / 13, 1 / 13, 1 / 13)  # expected share of natural images, lowest first
NOISE = 0.1
CUTOUT = 0.5  # side of the square, as a share of the image
OUTSIDE = 2.0  # centre of a square that misses the image


class TransformConfig(Config):
    """Frequency of each operation: its probability is this multiple of p; 0 is off."""

    xflip: NonNegativeFloat = 1.0
    """Mirroring, every other time."""
    rotate90: NonNegativeFloat = 1.0
    """Rotation by 0 to 3 quarter turns."""
    integer_translation: NonNegativeFloat = 1.0
    """Translation by whole pixels."""
    isotropic_scale: NonNegativeFloat = 1.0
    """Zoom."""
    rotation: NonNegativeFloat = 1.0
    """Rotation by any angle, before or after the anisotropic scale."""
    anisotropic_scale: NonNegativeFloat = 1.0
    """Stretching along one axis, squeezing along the other."""
    fractional_translation: NonNegativeFloat = 1.0
    """Translation by any amount."""
    brightness: NonNegativeFloat = 1.0
    """A constant added to all channels."""
    contrast: NonNegativeFloat = 1.0
    """Multiplication of all channels."""
    luma_flip: NonNegativeFloat = 1.0
    """Negation of brightness, hue kept, every other time."""
    hue: NonNegativeFloat = 1.0
    """Rotation of colours about the grey axis by any angle."""
    saturation: NonNegativeFloat = 1.0
    """Shift of colours from or towards the grey axis."""
    image_filter: NonNegativeFloat = 0.0
    """Gains of four octave bands of frequency; off in the set "bgc" of StyleGAN2-ADA."""
    noise: NonNegativeFloat = 0.0
    """Noise added to every pixel; off in "bgc"."""
    cutout: NonNegativeFloat = 0.0
    """A square set to 0; off in "bgc"."""


class RandomSource:
    """Random numbers of a generator, on its device."""

    def __init__(self, rng: torch.Generator):
        self.rng = rng

    def uniform(self, *shape: int) -> Tensor:
        """Numbers in [0, 1)."""
        return torch.rand(shape, generator=self.rng, device=self.rng.device)

    def normal(self, *shape: int) -> Tensor:
        """Numbers of mean 0 and standard deviation 1."""
        return torch.randn(shape, generator=self.rng, device=self.rng.device)


@dataclass(frozen=True)
class Affine:
    """The map x -> matrix @ x + offset, one per image."""

    matrix: Float[Tensor, "n d d"]
    offset: Float[Tensor, "n d"]


@dataclass(frozen=True)
class ImageTransform:
    """Operations on the images of a batch, in order; None does nothing to any."""

    inverse_warp: Affine | None
    """Position in the result -> position in the image; x, y in pixels from the centre."""
    color: Affine | None
    """Map of rgb, in each triple of channels."""
    band_gains: Float[Tensor, "n 4"] | None
    """Gain of each octave band, lowest first."""
    noise: Float[Tensor, "n c h w"] | None
    """Noise added to every pixel."""
    cutout: Float[Tensor, "n 2"] | None
    """Centre x, y of the square set to 0, as a share of the image."""


@dataclass(frozen=True)
class _ChanceDraws:
    """One number (or `axes` of them) per image, which by chance is drawn and else is neutral."""

    source: RandomSource
    num: int

    def uniform(self, chance: Float[Tensor, ""], neutral: float, *axes: int) -> Tensor:
        """Numbers from 0 to 1."""
        return self._keep(self.source.uniform(self.num, *axes), chance, neutral)

    def normal(self, chance: Float[Tensor, ""], *axes: int) -> Tensor:
        """Numbers of the standard normal distribution, or 0."""
        return self._keep(self.source.normal(self.num, *axes), chance, 0.0)

    def _keep(self, value: Tensor, chance: Float[Tensor, ""], neutral: float) -> Tensor:
        trigger = self.source.uniform(self.num, *(1 for _ in value.shape[1:]))
        return torch.where(trigger < chance, value, neutral)


def sample_transform(
    shape: torch.Size, p: Float[Tensor, ""], cfg: TransformConfig, source: RandomSource
) -> ImageTransform:
    """A transform for images of a shape n c h w."""
    num, _, height, width = shape
    draws = _ChanceDraws(source, num)
    geometric_ops = (
        cfg.xflip, cfg.rotate90, cfg.integer_translation, cfg.isotropic_scale, cfg.rotation,
        cfg.anisotropic_scale, cfg.fractional_translation,
    )  # fmt: skip
    color_ops = cfg.brightness, cfg.contrast, cfg.luma_flip, cfg.hue, cfg.saturation
    return ImageTransform(  # in this order, which is that of the draws
        inverse_warp=_sample_warp(draws, p, cfg, height, width) if any(geometric_ops) else None,
        color=_sample_color(draws, p, cfg) if any(color_ops) else None,
        band_gains=_sample_band_gains(draws, p * cfg.image_filter) if cfg.image_filter else None,
        noise=_sample_noise(draws, p * cfg.noise, shape) if cfg.noise else None,
        cutout=draws.uniform(p * cfg.cutout, OUTSIDE, 2) if cfg.cutout else None,
    )


def apply_transform(
    images: Float[Tensor, "n c h w"], transform: ImageTransform
) -> Float[Tensor, "n c h w"]:
    """Images with a transform applied; channels are triples of rgb, all treated alike."""
    x = images.to(torch.promote_types(images.dtype, torch.float32))
    if transform.inverse_warp is not None:
        x = warp(x, transform.inverse_warp.matrix, transform.inverse_warp.offset)
    if transform.color is not None:
        x = _apply_color(x, transform.color)
    if transform.band_gains is not None:
        x = amplify_bands(x, transform.band_gains)
    if transform.noise is not None:
        x = x + transform.noise
    if transform.cutout is not None:
        x = _cut_out(x, transform.cutout)
    return x.to(images.dtype)


def _sample_warp(
    draws: _ChanceDraws, p: Float[Tensor, ""], cfg: TransformConfig, height: int, width: int
) -> Affine:
    """The inverse of all geometric operations, the last of which is undone first."""
    mirror = 1 - 2 * (2 * draws.uniform(p * cfg.xflip, 0.0)).floor()
    quarters = (4 * draws.uniform(p * cfg.rotate90, 0.0)).floor()
    integer_chance, fractional_chance = p * cfg.integer_translation, p * cfg.fractional_translation
    integer_shift = INTEGER_TRANSLATION * (2 * draws.uniform(integer_chance, 0.5, 2) - 1)
    zoom = torch.exp2(-SCALE * draws.normal(p * cfg.isotropic_scale))
    rotate_chance = 1 - (1 - p * cfg.rotation).clamp(min=0).sqrt()  # so that P(either) is p
    rotate_before = draws.uniform(rotate_chance, 0.5)
    stretch = torch.exp2(-SCALE * draws.normal(p * cfg.anisotropic_scale))
    rotate_after = draws.uniform(rotate_chance, 0.5)
    fractional_shift = FRACTIONAL_TRANSLATION * draws.normal(fractional_chance, 2)

    integer_shift = _to_pixels(integer_shift, height, width).round()
    fractional_shift = _to_pixels(fractional_shift, height, width)
    flip_turn = _scaling(mirror, torch.ones_like(mirror)) @ _rotation(quarters * (math.pi / 2))
    resampled = _scaling(zoom, zoom) @ _rotation(math.pi * (2 * rotate_before - 1))
    rotation_after = _rotation(math.pi * (2 * rotate_after - 1))
    resampled = resampled @ _scaling(stretch, 1 / stretch) @ rotation_after
    offset = flip_turn @ (resampled @ fractional_shift[..., None] + integer_shift[..., None])
    return Affine(flip_turn @ resampled, -offset[..., 0])


def _to_pixels(shift: Float[Tensor, "n 2"], height: int, width: int) -> Float[Tensor, "n 2"]:
    return torch.stack([shift[:, 0] * width, shift[:, 1] * height], dim=1)


def _scaling(x: Float[Tensor, " n"], y: Float[Tensor, " n"]) -> Float[Tensor, "n 2 2"]:
    return torch.diag_embed(torch.stack([x, y], dim=1))


def _rotation(angle: Float[Tensor, " n"]) -> Float[Tensor, "n 2 2"]:
    cos, sin = angle.cos(), angle.sin()
    return torch.stack([cos, -sin, sin, cos], dim=1).unflatten(1, (2, 2))


def _sample_color(draws: _ChanceDraws, p: Float[Tensor, ""], cfg: TransformConfig) -> Affine:
    """All colour operations: the grey axis is scaled, the rest is scaled and turned about it."""
    brightness = BRIGHTNESS * draws.normal(p * cfg.brightness)
    contrast = torch.exp2(CONTRAST * draws.normal(p * cfg.contrast))
    flip = 1 - 2 * (2 * draws.uniform(p * cfg.luma_flip, 0.0, 1, 1)).floor()
    hue = math.pi * (2 * draws.uniform(p * cfg.hue, 0.5) - 1)
    saturation = torch.exp2(SATURATION * draws.normal(p * cfg.saturation, 1, 1))

    identity = torch.eye(3, device=hue.device)
    grey = torch.full_like(identity, 1 / 3)
    cycle = identity.roll(1, dims=0)  # r -> g -> b -> r
    cos, sin = hue.cos()[:, None, None], hue.sin()[:, None, None]
    turned = cos * (identity - grey) + sin / math.sqrt(3) * (cycle - cycle.mT)
    matrix = contrast[:, None, None] * (flip * grey + saturation * turned)
    return Affine(matrix, matrix.sum(dim=2) * brightness[:, None])


def _apply_color(images: Float[Tensor, "n c h w"], color: Affine) -> Float[Tensor, "n c h w"]:
    pixels = images.unflatten(1, (-1, 3)).flatten(3)  # n c/3 3 h*w
    matrix, offset = color.matrix[:, None].to(images), color.offset[:, None, :, None].to(images)
    return (matrix @ pixels + offset).view_as(images)


def _sample_band_gains(draws: _ChanceDraws, chance: Float[Tensor, ""]) -> Float[Tensor, "n 4"]:
    """Each band amplified in turn, then all scaled so that the expected power stays."""
    octaves = [BAND_GAIN * draws.normal(chance) for _ in BAND_POWER]
    power = torch.stack(
        [1 + share * (torch.exp2(2 * z) - 1) for share, z in zip(BAND_POWER, octaves, strict=True)]
    )
    return torch.exp2(torch.stack(octaves, dim=1)) / power.prod(dim=0).sqrt()[:, None]


def _sample_noise(
    draws: _ChanceDraws, chance: Float[Tensor, ""], shape: torch.Size
) -> Float[Tensor, "n c h w"]:
    """Noise whose strength, one per image, is half-normal."""
    sigma = NOISE * draws.normal(chance, 1, 1, 1).abs()
    return sigma * draws.source.normal(*shape)


def _cut_out(
    images: Float[Tensor, "n c h w"], centre: Float[Tensor, "n 2"]
) -> Float[Tensor, "n c h w"]:
    h, w = images.shape[-2:]
    x, y = ((torch.arange(k, device=images.device) + 0.5) / k for k in (w, h))
    in_x = (x - centre[:, :1]).abs() < CUTOUT / 2
    in_y = (y - centre[:, 1:]).abs() < CUTOUT / 2
    return images.masked_fill((in_y[:, :, None] & in_x[:, None])[:, None], 0.0)
