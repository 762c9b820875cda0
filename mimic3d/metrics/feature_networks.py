"""The feature networks that the parameters name."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from mimic3d.metrics.features import (
    FeatureNetwork,
    FeatureNetworkName,
    RandomConvFeatures,
    exact_convolutions,
)
from mimic3d.metrics.inception import InceptionConfig, load_inception
from mimic3d.metrics.probe import Probe


class ProbeFeatures(FeatureNetwork):
    """The penultimate layer of a trained probe; the name holds a checksum of its weights."""

    label = "probe"

    def __init__(self, probe: Probe):
        super().__init__()
        side = probe.config.resolution
        self.probe = probe
        self.name = f"probe-{_checksum(probe)[:12]}-d{probe.config.feature_dim}"
        self.dim = probe.config.feature_dim
        self.input_resize = f"bilinear antialiased to {side}"

    def forward(self, images: UInt8[Tensor, "n 3 h w"]) -> Float[Tensor, "n d"]:
        """Features."""
        with exact_convolutions():
            return self.probe.features(images.float() / 127.5 - 1)


def _checksum(probe: Probe) -> str:
    digest = hashlib.sha256(probe.config.model_dump_json().encode())
    for name, value in sorted(probe.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class FeatureNetworks:
    """Networks that are ready, and what to tell the user about them."""

    networks: tuple[FeatureNetwork, ...]
    notices: tuple[str, ...]


def build_feature_networks(
    names: Sequence[FeatureNetworkName], inception: InceptionConfig, probe: Probe | None,
    cache: Path, device: torch.device,
) -> FeatureNetworks:  # fmt: skip
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
        else:
            network = RandomConvFeatures()
        networks.append(network.to(device).eval().requires_grad_(False))
    return FeatureNetworks(tuple(networks), tuple(notices))
