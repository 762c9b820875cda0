"""Distances of images in the features of networks: LPIPS by a VGG16, and EfficientNet-Lite0."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float
from pydantic import PositiveInt, model_validator
from torch import Tensor, nn

from mimic3d.config import Config
from mimic3d.losses.lite0 import Lite0, load_lite0
from mimic3d.weights import Sha256, fetch, load_state_dict_file

BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))  # channels, convolutions (VGG16)
# Index of each convolution inside torchvision's `vgg16().features`, whose weight files are read.
LAYERS = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
SHIFT = (-0.030, -0.088, -0.188)  # ImageNet statistics for images in [-1, 1] (LPIPS v0.1)
SCALE = (0.458, 0.448, 0.450)
KEY = "imitate.imitation.perceptual"
NUM_LITE0_TAPS = 3  # blocks of 16, 24 and 40 channels; deeper ones see little of a patch


class PerceptualConfig(Config):
    """Features that measure the distance."""

    network: Literal["random_vgg", "lpips_vgg", "lite0"] = "random_vgg"
    """Feature network. `lpips_vgg` is LPIPS v0.1 and needs both weight files; `random_vgg`, the
    offline stand-in, has the same layers with seeded random weights and reports under its own name;
    `lite0` is a learned classifier whose weights an ordinary package brings, and cheaper than
    either."""
    vgg16_weights: str = "https://download.pytorch.org/models/vgg16-397923af.pth"
    """URL or path of a state dict of torchvision's VGG16 (.pth, .safetensors); 528 MiB."""
    vgg16_sha256: Sha256 | None = "397923af"
    """SHA-256 of that file or its beginning, which torch.hub writes into file names; null: not
    known."""
    lpips_weights: str = (
        "https://raw.githubusercontent.com/richzhang/PerceptualSimilarity/master/lpips/weights/"
        "v0.1/vgg.pth"
    )
    """URL or path of the linear weights of LPIPS v0.1 for VGG (.pth, .safetensors); a few KiB."""
    lpips_sha256: Sha256 | None = None
    """SHA-256 of that file or its beginning; its authors publish none."""
    channel_divisor: PositiveInt = 1
    """Divisor of the channels of `random_vgg`, which makes it cheaper."""

    @model_validator(mode="after")
    def _full_width(self) -> "PerceptualConfig":
        if self.network != "random_vgg" and self.channel_divisor != 1:
            raise ValueError(
                f"channel_divisor must be 1 with network {self.network}, is {self.channel_divisor}"
            )
        return self


class Perceptual(nn.Module):
    """Frozen VGG16 features and the linear weights that compare them (LPIPS Eq. 1)."""

    shift: Tensor
    scale: Tensor

    def __init__(self, channel_divisor: int = 1):
        super().__init__()
        widths = [max(1, channels // channel_divisor) for channels, _ in BLOCKS]
        self.blocks = nn.ModuleList()
        previous = 3
        for width, (_, depth) in zip(widths, BLOCKS, strict=True):
            layers: list[nn.Module] = [nn.MaxPool2d(2)] if len(self.blocks) else []
            for _ in range(depth):
                layers += [nn.Conv2d(previous, width, 3, padding=1), nn.ReLU()]
                previous = width
            self.blocks.append(nn.Sequential(*layers))
        self.linear = nn.ParameterList([nn.Parameter(torch.ones(w) / w) for w in widths])
        self.register_buffer("shift", torch.tensor(SHIFT).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("scale", torch.tensor(SCALE).reshape(1, 3, 1, 1), persistent=False)
        self.eval().requires_grad_(False)

    def convolutions(self) -> list[nn.Conv2d]:
        """The 13 convolutions in order."""
        return [module for module in self.blocks.modules() if isinstance(module, nn.Conv2d)]

    def activations(self, image: Float[Tensor, "n 3 h w"]) -> list[Tensor]:
        """Activations after each of the five blocks."""
        x = (image - self.shift) / self.scale
        taps = []
        for block in self.blocks:
            x = block(x)
            taps.append(x)
        return taps

    def layer_distances(
        self, image: Float[Tensor, "n 3 h w"], target: Float[Tensor, "n 3 h w"]
    ) -> Float[Tensor, "n 5"]:
        """Weighted squared differences of unit-length features, after each block (LPIPS Eq. 1)."""
        with torch.no_grad():
            references = self.activations(target)
        distances = []
        for ours, theirs, weight in zip(
            self.activations(image), references, self.linear, strict=True
        ):
            squared = (_unit_length(ours) - _unit_length(theirs)).square()
            distances.append(torch.einsum("nchw,c->nhw", squared, weight).mean(dim=[1, 2]))
        return torch.stack(distances, dim=1)

    def forward(
        self, image: Float[Tensor, "n 3 h w"], target: Float[Tensor, "n 3 h w"]
    ) -> Float[Tensor, " n"]:
        """Distance of each image to its target; the sides must be 16 pixels or more.

        The target's features are computed without a graph: no gradient reaches it.
        """
        return self.layer_distances(image, target).sum(dim=1)


class Lite0Perceptual(nn.Module):
    """Distance of images in the features of EfficientNet-Lite0, at their own size.

    As LPIPS Eq. 1 with all weights 1: squared differences of unit-length features of three blocks.
    """

    def __init__(self, network: Lite0):
        super().__init__()
        self.network = network

    def forward(
        self, image: Float[Tensor, "n 3 h w"], target: Float[Tensor, "n 3 h w"]
    ) -> Float[Tensor, " n"]:
        """Distance of each image to its target, to which no gradient flows."""
        with torch.no_grad():
            goals = self.network.activations(target)[:NUM_LITE0_TAPS]
        total = image.new_zeros(len(image))
        for ours, goal in zip(self.network.activations(image), goals, strict=False):
            squared = (_unit_length(ours) - _unit_length(goal)).square()
            total = total + squared.sum(dim=1).mean(dim=(1, 2))
        return total


PerceptualNetwork = Perceptual | Lite0Perceptual


def build_perceptual(cfg: PerceptualConfig, cache: Path, key: str = KEY) -> PerceptualNetwork:
    """The configured network; weight files are downloaded into `cache` once.

    `key` is the full name of its parameters, for errors.

    Raises:
        ValueError: a weight file cannot be had or does not hold the expected tensors.
    """
    if cfg.network == "lite0":
        return Lite0Perceptual(load_lite0(cache, f"{key}.network"))
    network = Perceptual(cfg.channel_divisor)
    if cfg.network == "random_vgg":
        _draw_weights(network)
    else:
        _read_weights(network, cfg, cache, key)
    return network


def _draw_weights(network: Perceptual) -> None:
    rng = torch.Generator().manual_seed(0)
    for conv in network.convolutions():
        fan_in = conv.weight[0].numel()
        conv.weight.copy_(torch.randn(conv.weight.shape, generator=rng) * (2 / fan_in) ** 0.5)
        _bias(conv).copy_(torch.randn(len(conv.weight), generator=rng) * 0.05)


def _read_weights(network: Perceptual, cfg: PerceptualConfig, cache: Path, group: str) -> None:
    key = f"{group}.vgg16_weights"
    path = fetch(cfg.vgg16_weights, cfg.vgg16_sha256, cache, key)
    weights = load_state_dict_file(path)
    for index, conv in zip(LAYERS, network.convolutions(), strict=True):
        _copy(conv.weight, weights, f"features.{index}.weight", f"{key} ({path})")
        _copy(_bias(conv), weights, f"features.{index}.bias", f"{key} ({path})")
    key = f"{group}.lpips_weights"
    path = fetch(cfg.lpips_weights, cfg.lpips_sha256, cache, key)
    weights = load_state_dict_file(path)
    for i, weight in enumerate(network.linear):
        _copy(weight[None, :, None, None], weights, f"lin{i}.model.1.weight", f"{key} ({path})")


def _copy(target: Tensor, weights: Mapping[str, Tensor], name: str, where: str) -> None:
    """Fills a view of a parameter with a tensor that must have its very shape."""
    stored = weights.get(name)
    if stored is None or stored.shape != target.shape:
        shape = "none" if stored is None else list(stored.shape)
        raise ValueError(
            f"{where} must hold {name} of shape {list(target.shape)}, has {shape}; give another "
            f"file, or none for the default"
        )
    target.copy_(stored)


def _unit_length(x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
    """Features divided by their length over channels; the gradient is finite where all are 0."""
    return x / (x.square().sum(dim=1, keepdim=True) + 1e-10).sqrt()


def _bias(conv: nn.Conv2d) -> Tensor:
    assert conv.bias is not None  # VGG16's convolutions have one
    return conv.bias
