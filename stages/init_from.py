"""Initial weights of a training: the networks of a snapshot, checked before they are copied."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import nn

from mimic3d.config import Config
from mimic3d.networks.discriminator import DiscriminatorConfig
from mimic3d.networks.generator import GeneratorConfig
from mimic3d.networks.snapshot import load_meta, read_snapshot
from pipeline.project import DATA

INIT = Path(DATA) / "init"  # DVC watches this folder
# Parameters that change no weight: a training may sample rays otherwise than the snapshot's did.
FREE = (
    "generator.detail",
    "generator.rendering.depth_resolution",
    "generator.rendering.depth_resolution_importance",
)


def check_initial_weights(
    root: Path, init_from: str, generator: GeneratorConfig, discriminator: DiscriminatorConfig
) -> None:
    """Reject a snapshot that cannot start `pretrain`.

    Raises:
        ValueError: it lies elsewhere than below data/init/, is missing, or has other networks.
    """
    folder = root / init_from
    if not Path(os.path.normpath(init_from)).is_relative_to(INIT):  # what lies there may be a link
        raise ValueError(
            f"pretrain.init_from must be a folder below {INIT}, which DVC watches, is {init_from}; "
            f"copy the snapshot there"
        )
    meta = load_meta(folder)
    given = {"generator": generator, "discriminator": discriminator}
    stored = {"generator": meta.generator, "discriminator": meta.discriminator}
    for key, ours in _leaves(given):
        theirs = dict(_leaves(stored)).get(key)
        if ours != theirs and key not in FREE:
            raise ValueError(
                f"pretrain.{key} must be that of {init_from} = {theirs}, is {ours}; change it, or "
                f"start from another snapshot"
            )


def load_initial_weights(networks: Mapping[str, nn.Module], folder: Path) -> None:
    """Copies the weights of a snapshot into networks of these names.

    Detail planes are neither asked of a snapshot that has none, nor taken by a network that has
    none; augmentation starts anew if the snapshot had none.
    """
    optional = [name for name in networks if name in ("augment", "D_patch")]
    names = [name for name in networks if name not in optional]
    sha256 = load_meta(folder).sha256
    names += [name for name in optional if f"{name}.safetensors" in sha256]
    for name, weights in read_snapshot(folder, tuple(names)).weights.items():
        missing, unexpected = networks[name].load_state_dict(weights, strict=False)
        misfits = [key for key in missing + unexpected if not key.startswith("detail.")]
        assert not misfits, misfits


def _leaves(group: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in group.items():
        if isinstance(value, Config):
            yield from _leaves(dict(value), f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
