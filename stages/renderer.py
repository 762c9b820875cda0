"""The renderer that a training uses: chosen once, recorded, and never changed in silence."""

from collections.abc import Sequence

import torch
from torch import nn

from mimic3d.networks.generator import Generator
from mimic3d.rendering.backend import BackendName, RenderBackend, choose_backend
from mimic3d.training.state import Progress


def set_renderer(
    generators: Sequence[nn.Module], asked: BackendName, device: torch.device, progress: Progress,
    stage: str, is_told: bool,
) -> RenderBackend:  # fmt: skip
    """Sets generators to render as `asked` on this device; one of them prints the unexpected.

    Raises:
        ValueError: fused kernels were asked for, and cannot run here.
    """
    try:
        backend = choose_backend(asked, device)
    except ValueError as error:
        raise ValueError(f"{stage}.loop.renderer: {error}") from None
    if is_told and asked == "auto":
        print(f"{stage} renders with {backend.name}: {backend.reason}")
    if is_told and progress.renderer not in ("", backend.name):
        print(
            f"{stage} WAS RENDERED WITH {progress.renderer} SO FAR and goes on with "
            f"{backend.name}: its bits differ from those of an uninterrupted run; to keep them, "
            f"set {stage}.loop.renderer to {progress.renderer}"
        )
    progress.renderer = backend.name
    for generator in generators:
        assert isinstance(generator, Generator)
        generator.backend = backend
    return backend
