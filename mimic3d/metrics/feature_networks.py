"""The feature networks that the parameters name."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from mimic3d.losses.lite0 import Lite0, find_lite0, load_lite0
from mimic3d.metrics.features import (
    CHUNK_PIXELS,
    FeatureNetwork,
    FeatureNetworkName,
    RandomConvFeatures,
    exact_convolutions,
)
from mimic3d.metrics.inception import InceptionConfig, check_inception, load_inception
from mimic3d.metrics.probe import Probe

KEY = "evaluate.distribution.networks"


class Lite0Features(FeatureNetwork):
    """192 features of an image by EfficientNet-Lite0: means over the image of four of its blocks.

    At the image's own size, from fine to coarse; blocks deeper than these have more channels than
    small sets of images can fill. The weights are fixed by their SHA-256, and so is the name.
    """

    label = "lite0"
    name = "lite0-v1-d192"
    dim = 192
    input_resize = "none"

    def __init__(self, network: Lite0):
        super().__init__()
        self.network = network

    def forward(self, images: UInt8[Tensor, "n 3 h w"]) -> Float[Tensor, "n d"]:
        """Features, in passes that bound memory."""
        chunk = max(1, CHUNK_PIXELS // (images.shape[-2] * images.shape[-1]))
        with exact_convolutions():
            parts = [
                [tap.mean(dim=(2, 3)) for tap in self.network.activations(part / 127.5 - 1)]
                for part in images.split(chunk)
            ]
        return torch.cat([torch.cat(taps, dim=1) for taps in parts])


class ProbeFeatures(FeatureNetwork):
    """The penultimate layer of a trained probe; the name holds a checksum of its weights."""

    label = "probe"

    def __init__(self, probe: Probe):
        super().__init__()
        side = probe.config.resolution
        self.probe = probe
        self.name = f"probe-{_content_hash(probe)[:12]}-d{probe.config.feature_dim}"
        self.dim = probe.config.feature_dim
        self.input_resize = f"bilinear antialiased to {side}"

    def forward(self, images: UInt8[Tensor, "n 3 h w"]) -> Float[Tensor, "n d"]:
        """Features."""
        with exact_convolutions():
            return self.probe.features(images.float() / 127.5 - 1)


def _content_hash(probe: Probe) -> str:
    digest = hashlib.sha256(probe.config.model_dump_json().encode())
    for name, value in sorted(probe.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class FeatureNetworks:
    """Networks that are ready, and notices about them for the user."""

    networks: tuple[FeatureNetwork, ...]
    notices: tuple[str, ...]


def check_feature_networks(
    names: Sequence[FeatureNetworkName], inception: InceptionConfig, cache: Path
) -> None:
    """Cheap checks that the files of the named networks are there; downloads nothing.

    Raises:
        ValueError: one is missing or of the wrong kind.
    """
    if "lite0" in names:
        find_lite0(cache, KEY)
    if "inception" in names:
        check_inception(inception)


def build_feature_networks(
    names: Sequence[FeatureNetworkName],
    inception: InceptionConfig,
    probe: Probe | None,
    cache: Path,
    device: torch.device,
) -> FeatureNetworks:
    """The named networks; files of others are downloaded into `cache` once.

    Raises:
        ValueError: a file cannot be had or is not what it must be, or there is no probe.
    """
    networks, notices = [], []
    for name in names:
        if name == "inception":
            network, notice = load_inception(inception, cache)
            notices += [notice] if notice else []
        elif name == "probe":
            if probe is None:
                raise ValueError(
                    "evaluate.distribution.networks names probe, which is trained on objects in "
                    "several views, and there is none; take it out, or prepare a synthetic dataset"
                )
            network = ProbeFeatures(probe)
        elif name == "lite0":
            network = Lite0Features(load_lite0(cache, KEY))
        else:
            network = RandomConvFeatures()
        networks.append(network.to(device).eval().requires_grad_(False))
    return FeatureNetworks(tuple(networks), tuple(notices))
