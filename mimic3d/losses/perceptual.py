"""LPIPS: distance of images in the features of a VGG16."""

from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float
from pydantic import PositiveInt, model_validator
from safetensors.torch import load_file
from torch import Tensor, nn

from mimic3d.config import Config

BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))  # channels, convolutions (VGG16)
# Index of each convolution inside torchvision's `vgg16().features`, whose weight files are read.
LAYERS = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
SHIFT = (-0.030, -0.088, -0.188)  # ImageNet statistics for images in [-1, 1] (LPIPS v0.1)
SCALE = (0.458, 0.448, 0.450)


class PerceptualConfig(Config):
    """Which features measure the distance."""

    network: Literal["random_vgg", "lpips_vgg16"] = "random_vgg"
    """`lpips_vgg16` is LPIPS v0.1 and needs both weight files; `random_vgg`, the offline stand-in,
    has the same layers with seeded random weights and reports under its own name."""
    vgg16_weights: str | None = None
    """File with torchvision's VGG16 state dict (.pth or .safetensors)."""
    lpips_weights: str | None = None
    """File with the linear weights of LPIPS v0.1 for VGG (.pth or .safetensors)."""
    channel_divisor: PositiveInt = 1
    """Divides the channels of `random_vgg`, which makes it cheaper."""

    @model_validator(mode="after")
    def _weights_named(self) -> "PerceptualConfig":
        missing = [k for k in ("vgg16_weights", "lpips_weights") if not getattr(self, k)]
        if self.network == "lpips_vgg16" and missing:
            raise ValueError(
                f"network lpips_vgg16 needs {' and '.join(missing)}; give the path of the file, "
                f"or choose network random_vgg"
            )
        if self.network == "lpips_vgg16" and self.channel_divisor != 1:
            raise ValueError(
                f"channel_divisor must be 1 with network lpips_vgg16, is {self.channel_divisor}"
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

    def features(self, image: Float[Tensor, "n 3 h w"]) -> list[Tensor]:
        """Activations after each of the five blocks, unit length over channels."""
        x = (image - self.shift) / self.scale
        taps = []
        for block in self.blocks:
            x = block(x)
            taps.append(x / (x.square().sum(dim=1, keepdim=True) + 1e-10).sqrt())
        return taps

    def forward(
        self, image: Float[Tensor, "n 3 h w"], target: Float[Tensor, "n 3 h w"]
    ) -> Float[Tensor, " n"]:
        """Distance of each image to its target; the sides must be 16 pixels or more.

        The target's features are computed without a graph: no gradient reaches it.
        """
        with torch.no_grad():
            wanted = self.features(target)
        distance = image.new_zeros(image.shape[0])
        for ours, theirs, weight in zip(self.features(image), wanted, self.linear, strict=True):
            squared = torch.einsum("nchw,c->nhw", (ours - theirs).square(), weight)
            distance = distance + squared.mean(dim=[1, 2])
        return distance


def build_perceptual(cfg: PerceptualConfig) -> Perceptual:
    """The configured network.

    Raises:
        ValueError: a weight file is missing or does not hold the expected tensors.
    """
    network = Perceptual(cfg.channel_divisor)
    convolutions = network.convolutions()
    if cfg.network == "random_vgg":
        rng = torch.Generator().manual_seed(0)
        for conv in convolutions:
            fan_in = conv.weight[0].numel()
            conv.weight.copy_(torch.randn(conv.weight.shape, generator=rng) * (2 / fan_in) ** 0.5)
            _bias(conv).copy_(torch.randn(len(conv.weight), generator=rng) * 0.05)
        return network
    vgg = _read("imitation.perceptual.vgg16_weights", cfg.vgg16_weights)
    linear = _read("imitation.perceptual.lpips_weights", cfg.lpips_weights)
    try:
        for index, conv in zip(LAYERS, convolutions, strict=True):
            conv.weight.copy_(vgg[f"features.{index}.weight"])
            _bias(conv).copy_(vgg[f"features.{index}.bias"])
        for i, weight in enumerate(network.linear):
            weight.copy_(linear[f"lin{i}.model.1.weight"].flatten())
    except (KeyError, RuntimeError) as error:
        raise ValueError(
            f"imitation.perceptual needs torchvision's VGG16 and LPIPS v0.1 weights; the files "
            f"given lack {error}"
        ) from error
    return network


def _read(key: str, path: str | None) -> dict[str, Tensor]:
    if path is None or not Path(path).exists():
        raise ValueError(f"{key} must be the path of a weight file, is {path}; download it first")
    if path.endswith(".safetensors"):
        return load_file(path)
    return torch.load(path, map_location="cpu", weights_only=True)


def _bias(conv: nn.Conv2d) -> Tensor:
    assert conv.bias is not None  # VGG16's convolutions have one
    return conv.bias
