"""Mixed precision: parts of the networks may compute in a shorter number format."""

from typing import Literal

import torch
from torch import nn

Precision = Literal["auto", "bfloat16", "float32"]


class MixedPrecision(nn.Module):
    """A network whose convolutions compute in `compute_dtype`; it takes and returns float32.

    Super-resolution and the four highest resolutions of discriminators are: where the reference
    computes in fp16, against whose overflow it clamps activations and normalises weights and
    styles. bfloat16 has the range of float32 and needs neither.
    """

    compute_dtype: torch.dtype = torch.float32


def choose_dtype(precision: Precision, device: torch.device) -> torch.dtype:
    """The format of `MixedPrecision` networks; `auto` is bfloat16 on hardware that has it."""
    if precision != "auto":
        return getattr(torch, precision)
    native = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.bfloat16 if native else torch.float32


def set_precision(network: nn.Module, dtype: torch.dtype) -> None:
    """Makes all `MixedPrecision` parts of a network compute in this format."""
    for module in network.modules():
        if isinstance(module, MixedPrecision):
            module.compute_dtype = dtype
