"""Objects to render without a trained model: planes and a decoder of the FFHQ-512 sizes."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from mimic3d.networks.decoder import Decoder, DecoderConfig
from mimic3d.rendering.triplane import Planes

CHANNELS, HIDDEN, COLORS = 32, 64, 32
SURFACE = 1.5  # of feature 0; outside the box features are 0, which has to be empty
SHARPNESS, STEP = 20.0, 0.1  # the density rises from nothing to opaque within STEP of the surface


@dataclass(frozen=True)
class ObjectScene:
    """An object in the box."""

    name: str
    planes: Planes
    decoder: Decoder


def noise(size: int, spacing: int, scale: float, rng: torch.Generator) -> Float[Tensor, "3 c h w"]:
    """Smooth noise of standard deviation `scale`, with features `spacing` texels apart."""
    side = size // spacing
    x = torch.randn(3, CHANNELS, side, side, generator=rng)
    x = F.interpolate(x, size=(size, size), mode="bicubic", align_corners=False)
    return x / x.std() * scale


def build_scene(name: str, radius: float, coarse: int = 256, detail: int = 512) -> ObjectScene:
    """A rough opaque ball of this radius (world units), or fog in the whole box if it is 0."""
    rng = torch.Generator().manual_seed(7)
    low = noise(coarse, 24, 0.8, rng) + noise(coarse, 8, 0.4, rng) + noise(coarse, 3, 0.12, rng)
    high = noise(detail, 6, 0.1, rng) + noise(detail, 2, 0.05, rng)
    steps = (torch.arange(coarse) + 0.5) / coarse - 0.5
    square = 1.5 * (steps[:, None] ** 2 + steps**2)  # the mean over planes is x^2 + y^2 + z^2
    low[:, 0] = SURFACE + 0.15 * low[:, 0] + (5 * (radius**2 - square) if radius else 0)
    high[:, 0] *= 0.2
    return ObjectScene(name, (low[None], high[None]), _decoder(rng, opaque=radius > 0))


@torch.no_grad()
def _decoder(rng: torch.Generator, opaque: bool) -> Decoder:
    """Decoder: two hidden units make a step of feature 0, the density; the others colour."""
    decoder = Decoder(DecoderConfig(hidden_channels=HIDDEN), CHANNELS, COLORS)
    for weight in decoder.parameters():
        weight.normal_(generator=rng)
    decoder.hidden_weight[:2] = 0
    decoder.hidden_weight[:2, 0] = SHARPNESS * CHANNELS**0.5
    decoder.hidden_bias[:2] = -SHARPNESS * torch.tensor([SURFACE - STEP, SURFACE + STEP])
    empty, full = (-14.0, 40.0) if opaque else (0.0, 2.0)
    slope = (full - empty) / (2 * SHARPNESS * STEP) * HIDDEN**0.5
    decoder.out_weight[1:] *= 3
    decoder.out_weight[:, :2] = 0
    decoder.out_weight[0] = 0
    decoder.out_weight[0, :2] = torch.tensor([slope, -slope])
    decoder.out_bias[0] = empty
    decoder.out_bias[1:] -= (decoder.out_weight[1:].sum(dim=1) * HIDDEN**-0.5) * 0.8
    return decoder
