"""The authors' checkpoints, of Mimic3D or EG3D -> snapshots, without running their pickled code.

`python -m mimic3d.conversion.conversion network-snapshot-017000.pkl OUT_DIR`
"""

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from mimic3d.atomic import check_new
from mimic3d.cameras import Scene, orbit_cameras
from mimic3d.conversion.keymap import discriminator_name, fill, generator_name
from mimic3d.conversion.official import REFUSED, read_discriminator, read_generator
from mimic3d.conversion.pickle_values import PickledObject
from mimic3d.conversion.unpickling import read_pickle, read_weights
from mimic3d.networks.discriminator import (
    DiscriminatorConfig,
    DualDiscriminator,
    PatchDiscriminator,
)
from mimic3d.networks.generator import Generator, GeneratorConfig
from mimic3d.networks.snapshot import SnapshotMeta, save_snapshot

NETWORKS = ("G_ema", "G", "D", "D_patch", "augment_pipe")
DATASET = "official"  # stands for the fingerprint of datasets that ours did not prepare
KIMG_IN_NAME = re.compile(r"network-snapshot-(\d{6})\.pkl")
CONST = "backbone.synthesis.b4.const"
META = torch.device("meta")  # where sizes that only a manipulated file has take no memory

Weights = dict[str, Tensor]
Discriminator = DualDiscriminator | PatchDiscriminator


def convert(path: Path, folder: Path) -> SnapshotMeta:
    """Write the networks of a pickle as a `legacy` snapshot, and return its description.

    G_ema must be there; G, D, D_patch and the strength of ADA (`augment`) are written if they are.
    The label that conditions G by default is that of the frontal camera.

    Raises:
        ValueError: the folder is in use, the file is not what it should be, or our networks do not
            reproduce what is in it; nothing is written.
    """
    return _convert(path, folder)[0]


def main(arguments: Sequence[str] | None = None) -> int:
    """Convert one file; says in one line what was converted, or why not."""
    parser = argparse.ArgumentParser(prog="mimic3d convert")
    parser.add_argument("pickle", type=Path, help="network-snapshot-*.pkl of Mimic3D or EG3D")
    parser.add_argument("folder", type=Path, help="where to write the snapshot; new or empty")
    given = parser.parse_args(arguments)
    try:
        meta, names = _convert(given.pickle, given.folder)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    kind = "3D-aware" if meta.generator.aware3d else "EG3D's"
    planes = "coarse and detail planes" if meta.generator.detail else "coarse planes"
    print(
        f"{given.folder}: {', '.join(names)} of {given.pickle} ({kind} generator, {planes}, "
        f"{meta.generator.image_resolution} pixels)"
    )
    return 0


def _convert(path: Path, folder: Path) -> tuple[SnapshotMeta, list[str]]:
    """The description and the names of what was written."""
    check_new(folder, "a converted snapshot")
    networks = _read_networks(path)
    weights = {name: read_weights(network) for name, network in networks.items()}
    cfg, scene = read_generator(networks["G_ema"], weights["G_ema"])
    modules: dict[str, nn.Module] = {
        name: _build_generator(cfg, scene, weights[name], name)
        for name in ("G_ema", "G")
        if name in networks
    }
    discriminators: dict[str, tuple[DiscriminatorConfig, int]] = {}
    for name in ("D", "D_patch"):
        if name in networks:
            sizes = read_discriminator(networks[name], weights[name], name)
            modules[name] = _build_discriminator(*sizes, cfg, weights[name], name)
            discriminators[name] = sizes
    if "augment_pipe" in networks:
        modules["augment"] = _AugmentState(weights["augment_pipe"])
    patch, patch_size = discriminators.get("D_patch", (None, None))
    meta = SnapshotMeta(
        stage="imitate" if cfg.detail else "pretrain",
        nimg=_read_nimg(path),
        dataset_fingerprint=DATASET,
        average_label=_frontal_label(scene),
        scene=scene,
        generator=cfg,
        discriminator=discriminators.get("D", (DiscriminatorConfig(),))[0],
        patch_discriminator=patch,
        patch_size=patch_size,
    )
    save_snapshot(folder, meta, modules)
    return meta, list(modules)


def _read_networks(path: Path) -> dict[str, PickledObject]:
    contents = read_pickle(path)
    members = contents if isinstance(contents, dict) else {}
    networks = {
        name: members[name] for name in NETWORKS if isinstance(members.get(name), PickledObject)
    }
    if "G_ema" not in networks:
        raise ValueError(f"{path} must hold a network G_ema, does not; give a training's pickle")
    return networks


def _build_generator(cfg: GeneratorConfig, scene: Scene, weights: Weights, which: str) -> Generator:
    const = weights.get(CONST)
    if const is not None and const.dim() == 3:  # EG3D's has no batch axis
        weights = {**weights, CONST: const[None]}
    with META:
        generator = Generator(cfg, scene)
    fill(generator, weights, generator_name, which)
    return generator


def _build_discriminator(
    cfg: DiscriminatorConfig, side: int, generator: GeneratorConfig, weights: Weights, which: str
) -> Discriminator:
    whole = generator.image_resolution
    if side > whole or (which == "D" and side != whole):
        raise ValueError(f"{which} must see images of {whole} pixels, sees {side}; {REFUSED}")
    kind: Callable[..., Discriminator] = DualDiscriminator if which == "D" else PatchDiscriminator
    with META:
        discriminator = kind(cfg, side, legacy=True)
    fill(discriminator, weights, partial(discriminator_name, resolution=side), which)
    return discriminator


class _AugmentState(nn.Module):
    """State of an augmentation: its strength p, and no signs since it was adjusted.

    The reference does not stop p at 1, where every distortion is certain.
    """

    def __init__(self, weights: Weights):
        super().__init__()
        p = weights.get("p")
        if p is None or p.dim() or not 0 <= p.item() < float("inf"):
            raise ValueError(f"augment_pipe must hold a strength p from 0 on; {REFUSED}")
        self.register_buffer("p", p.to(torch.float32, copy=True))
        self.register_buffer("sign_sum", torch.tensor(0.0))
        self.register_buffer("pending", torch.tensor(0))


def _read_nimg(path: Path) -> int:
    """Images that a training had consumed, from the name of its file; 0 under any other name."""
    match = KIMG_IN_NAME.fullmatch(path.name)
    return 1000 * int(match[1]) if match else 0


def _frontal_label(scene: Scene) -> tuple[float, ...]:
    straight = torch.zeros(1)
    return tuple(orbit_cameras(straight, straight, scene).labels()[0].tolist())


if __name__ == "__main__":
    sys.exit(main())
