"""Styles on disk: `w.safetensors` (one vector) and `w_plus.safetensors` (one per layer)."""

from pathlib import Path

import torch
from einops import repeat
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from mimic3d.atomic import atomic_file
from mimic3d.networks.generator import Generator

W_FILE, W_PLUS_FILE = "w.safetensors", "w_plus.safetensors"


def save_style(path: Path, style: Float[Tensor, " w_dim"] | Float[Tensor, "l w_dim"]) -> None:
    """Writes a w, or a w+ of one vector per synthesis layer, atomically."""
    name = "w" if style.ndim == 1 else "w_plus"
    with atomic_file(path) as tmp:
        save_file({name: style.detach().float().cpu().contiguous()}, tmp)


def load_style(path: Path, G: Generator) -> Float[Tensor, "1 l w_dim"]:
    """Style vectors of a file, or of a folder that holds one: w+ if it is there, else w.

    Raises:
        ValueError: there is no such file, it is damaged, or it is of another generator.
    """
    if path.is_dir():
        names = [name for name in (W_PLUS_FILE, W_FILE) if (path / name).is_file()]
        if not names:
            raise ValueError(
                f"the folder of a style must hold {W_FILE} or {W_PLUS_FILE}, {path} has none"
            )
        path = path / names[0]
    try:
        tensors = list(load_file(path).values())
    except (SafetensorError, OSError) as error:
        raise ValueError(f"a style must be a readable .safetensors file, {path}: {error}") from None
    num_ws, w_dim = G.mapping.num_ws, G.config.w_dim
    shapes = [tuple(tensor.shape) for tensor in tensors]
    if len(tensors) != 1 or tensors[0].numel() not in (w_dim, num_ws * w_dim):
        raise ValueError(
            f"a style of this generator is one tensor of {w_dim} or {num_ws} x {w_dim} numbers, "
            f"{path} holds {shapes}; give the snapshot that it was made with"
        )
    style = tensors[0].float().reshape(-1, w_dim).to(G.mapping.w_avg.device)
    if not bool(torch.isfinite(style).all()):
        raise ValueError(f"a style must be finite, {path} is not; invert the photo again")
    return style[None] if len(style) > 1 else repeat(style, "1 w_dim -> 1 l w_dim", l=num_ws)
