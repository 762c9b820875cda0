"""Edits of styles: steps along a direction, interpolation of two subjects, transfer of layers."""

import torch
from jaxtyping import Float
from torch import Tensor


def move_styles(
    ws: Float[Tensor, "n l w_dim"], direction: Float[Tensor, " w_dim"], steps: Float[Tensor, " n"],
    layers: slice = slice(None),
) -> Float[Tensor, "n l w_dim"]:  # fmt: skip
    """Styles moved along one direction, in the style vectors `layers` only.

    `steps` are in units of the direction's length.
    """
    moved = ws.clone()
    moved[:, layers] += steps[:, None, None] * direction
    return moved


def interpolate_between(
    start: Float[Tensor, "1 l w_dim"], end: Float[Tensor, "1 l w_dim"], num: int
) -> Float[Tensor, "n l w_dim"]:
    """Styles on the straight line between two subjects, both ends included.

    w and w+ alike: a w is a w+ with equal rows.
    """
    places = torch.linspace(0, 1, num, device=start.device, dtype=start.dtype)
    return torch.lerp(start, end, places[:, None, None])


def transfer_layers(
    base: Float[Tensor, "1 l w_dim"], donor: Float[Tensor, "1 l w_dim"], layers: slice
) -> Float[Tensor, "1 l w_dim"]:
    """The base with the style vectors `layers` of the donor (style mixing, StyleGAN)."""
    mixed = base.clone()
    mixed[:, layers] = donor[:, layers]
    return mixed
