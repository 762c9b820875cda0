"""Random distortions of images that a discriminator can be fooled with safely.

The pipeline of StyleGAN2-ADA (Karras et al. 2020, App. B): its order, probabilities and strengths.
Drawing is apart from applying: `sample_distortion` turns random numbers into one map per image,
`distort` applies the maps and can be differentiated twice.
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


class DistortionConfig(Config):
    """How often each distortion happens: its probability is this multiple of p; 0 is off."""

    xflip: NonNegativeFloat = 1.0
    """Mirrored, every other time."""
    rotate90: NonNegativeFloat = 1.0
    """Turned by 0 to 3 quarters."""
    integer_translation: NonNegativeFloat = 1.0
    """Moved by whole pixels."""
    isotropic_scale: NonNegativeFloat = 1.0
    """Zoomed."""
    rotation: NonNegativeFloat = 1.0
    """Turned by any angle, before or after the anisotropic scale."""
    anisotropic_scale: NonNegativeFloat = 1.0
    """Stretched along one axis, squeezed along the other."""
    fractional_translation: NonNegativeFloat = 1.0
    """Moved by any amount."""
    brightness: NonNegativeFloat = 1.0
    """A constant added to all channels."""
    contrast: NonNegativeFloat = 1.0
    """All channels multiplied."""
    luma_flip: NonNegativeFloat = 1.0
    """Brightness negated and hue kept, every other time."""
    hue: NonNegativeFloat = 1.0
    """Colours turned about the grey axis by any angle."""
    saturation: NonNegativeFloat = 1.0
    """Colours moved from or towards the grey axis."""
    image_filter: NonNegativeFloat = 0.0
    """Each of four octave bands of frequency amplified; off in the set "bgc" of StyleGAN2-ADA."""
    noise: NonNegativeFloat = 0.0
    """Noise added to every pixel; off in "bgc"."""
    cutout: NonNegativeFloat = 0.0
    """A square set to 0; off in "bgc"."""


class Numbers:
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
class Distortion:
    """All that happens to the images of a batch, in order; None does nothing to any."""

    lookup: Affine | None
    """Position in the result -> where to look in the image; x, y in pixels from the centre."""
    color: Affine | None
    """Of rgb, in each triple of channels."""
    band_gains: Float[Tensor, "n 4"] | None
    """By octave band, lowest first."""
    noise: Float[Tensor, "n c h w"] | None
    """Added."""
    cutout: Float[Tensor, "n 2"] | None
    """Centre x, y of the square set to 0, as a share of the image."""


@dataclass(frozen=True)
class _Dice:
    """One number (or `axes` of them) per image, which by chance is drawn and else is neutral."""

    numbers: Numbers
    num: int

    def uniform(self, chance: Float[Tensor, ""], neutral: float, *axes: int) -> Tensor:
        return self._keep(self.numbers.uniform(self.num, *axes), chance, neutral)

    def normal(self, chance: Float[Tensor, ""], *axes: int) -> Tensor:
        return self._keep(self.numbers.normal(self.num, *axes), chance, 0.0)

    def _keep(self, value: Tensor, chance: Float[Tensor, ""], neutral: float) -> Tensor:
        lot = self.numbers.uniform(self.num, *(1 for _ in value.shape[1:]))
        return torch.where(lot < chance, value, neutral)


def sample_distortion(
    shape: torch.Size, p: Float[Tensor, ""], cfg: DistortionConfig, numbers: Numbers
) -> Distortion:
    """Distortions for images of a shape n c h w."""
    num, _, height, width = shape
    dice = _Dice(numbers, num)
    moves = (
        cfg.xflip, cfg.rotate90, cfg.integer_translation, cfg.isotropic_scale, cfg.rotation,
        cfg.anisotropic_scale, cfg.fractional_translation,
    )  # fmt: skip
    paints = cfg.brightness, cfg.contrast, cfg.luma_flip, cfg.hue, cfg.saturation
    return Distortion(  # in this order, which is that of the draws
        lookup=_sample_lookup(dice, p, cfg, height, width) if any(moves) else None,
        color=_sample_color(dice, p, cfg) if any(paints) else None,
        band_gains=_sample_band_gains(dice, p * cfg.image_filter) if cfg.image_filter else None,
        noise=_sample_noise(dice, p * cfg.noise, shape) if cfg.noise else None,
        cutout=dice.uniform(p * cfg.cutout, OUTSIDE, 2) if cfg.cutout else None,
    )


def distort(images: Float[Tensor, "n c h w"], distortion: Distortion) -> Float[Tensor, "n c h w"]:
    """Images with their distortions applied; channels are triples of rgb, all treated alike."""
    x = images.to(torch.promote_types(images.dtype, torch.float32))
    if distortion.lookup is not None:
        x = warp(x, distortion.lookup.matrix, distortion.lookup.offset)
    if distortion.color is not None:
        x = _paint(x, distortion.color)
    if distortion.band_gains is not None:
        x = amplify_bands(x, distortion.band_gains)
    if distortion.noise is not None:
        x = x + distortion.noise
    if distortion.cutout is not None:
        x = _cut_out(x, distortion.cutout)
    return x.to(images.dtype)


def _sample_lookup(
    dice: _Dice, p: Float[Tensor, ""], cfg: DistortionConfig, height: int, width: int
) -> Affine:
    """The inverse of all geometric distortions, the last of which is undone first."""
    mirror = 1 - 2 * (2 * dice.uniform(p * cfg.xflip, 0.0)).floor()
    quarters = (4 * dice.uniform(p * cfg.rotate90, 0.0)).floor()
    jump = INTEGER_TRANSLATION * (2 * dice.uniform(p * cfg.integer_translation, 0.5, 2) - 1)
    zoom = torch.exp2(-SCALE * dice.normal(p * cfg.isotropic_scale))
    turn_chance = 1 - (1 - p * cfg.rotation).clamp(min=0).sqrt()  # so that P(either) is p
    turn_before = dice.uniform(turn_chance, 0.5)
    squeeze = torch.exp2(-SCALE * dice.normal(p * cfg.anisotropic_scale))
    turn_after = dice.uniform(turn_chance, 0.5)
    glide = FRACTIONAL_TRANSLATION * dice.normal(p * cfg.fractional_translation, 2)

    jump = torch.stack([jump[:, 0] * width, jump[:, 1] * height], dim=1).round()
    glide = torch.stack([glide[:, 0] * width, glide[:, 1] * height], dim=1)
    blit = _scaling(mirror, torch.ones_like(mirror)) @ _turning(quarters * (math.pi / 2))
    deform = _scaling(zoom, zoom) @ _turning(math.pi * (2 * turn_before - 1))
    deform = deform @ _scaling(squeeze, 1 / squeeze) @ _turning(math.pi * (2 * turn_after - 1))
    offset = blit @ (deform @ glide[..., None] + jump[..., None])
    return Affine(blit @ deform, -offset[..., 0])


def _scaling(x: Float[Tensor, " n"], y: Float[Tensor, " n"]) -> Float[Tensor, "n 2 2"]:
    return torch.diag_embed(torch.stack([x, y], dim=1))


def _turning(angle: Float[Tensor, " n"]) -> Float[Tensor, "n 2 2"]:
    cos, sin = angle.cos(), angle.sin()
    return torch.stack([cos, -sin, sin, cos], dim=1).unflatten(1, (2, 2))


def _sample_color(dice: _Dice, p: Float[Tensor, ""], cfg: DistortionConfig) -> Affine:
    """All colour distortions: the grey axis is scaled, the rest is scaled and turned about it."""
    brightness = BRIGHTNESS * dice.normal(p * cfg.brightness)
    contrast = torch.exp2(CONTRAST * dice.normal(p * cfg.contrast))
    flip = 1 - 2 * (2 * dice.uniform(p * cfg.luma_flip, 0.0, 1, 1)).floor()
    hue = math.pi * (2 * dice.uniform(p * cfg.hue, 0.5) - 1)
    saturation = torch.exp2(SATURATION * dice.normal(p * cfg.saturation, 1, 1))

    identity = torch.eye(3, device=hue.device)
    grey = torch.full_like(identity, 1 / 3)
    cycle = identity.roll(1, dims=0)  # r -> g -> b -> r
    cos, sin = hue.cos()[:, None, None], hue.sin()[:, None, None]
    turned = cos * (identity - grey) + sin / math.sqrt(3) * (cycle - cycle.mT)
    matrix = contrast[:, None, None] * (flip * grey + saturation * turned)
    return Affine(matrix, matrix.sum(dim=2) * brightness[:, None])


def _paint(images: Float[Tensor, "n c h w"], color: Affine) -> Float[Tensor, "n c h w"]:
    pixels = images.unflatten(1, (-1, 3)).flatten(3)  # n c/3 3 h*w
    matrix, offset = color.matrix[:, None].to(images), color.offset[:, None, :, None].to(images)
    return (matrix @ pixels + offset).view_as(images)


def _sample_band_gains(dice: _Dice, chance: Float[Tensor, ""]) -> Float[Tensor, "n 4"]:
    """Each band amplified in turn, then all scaled so that the expected power stays."""
    octaves = [BAND_GAIN * dice.normal(chance) for _ in BAND_POWER]
    power = torch.stack(
        [1 + share * (torch.exp2(2 * z) - 1) for share, z in zip(BAND_POWER, octaves, strict=True)]
    )
    return torch.exp2(torch.stack(octaves, dim=1)) / power.prod(dim=0).sqrt()[:, None]


def _sample_noise(
    dice: _Dice, chance: Float[Tensor, ""], shape: torch.Size
) -> Float[Tensor, "n c h w"]:
    """Noise whose strength, one per image, is half-normal."""
    sigma = NOISE * dice.normal(chance, 1, 1, 1).abs()
    return sigma * dice.numbers.normal(*shape)


def _cut_out(
    images: Float[Tensor, "n c h w"], centre: Float[Tensor, "n 2"]
) -> Float[Tensor, "n c h w"]:
    h, w = images.shape[-2:]
    x, y = ((torch.arange(k, device=images.device) + 0.5) / k for k in (w, h))
    in_x = (x - centre[:, :1]).abs() < CUTOUT / 2
    in_y = (y - centre[:, 1:]).abs() < CUTOUT / 2
    return images.masked_fill((in_y[:, :, None] & in_x[:, None])[:, None], 0.0)
