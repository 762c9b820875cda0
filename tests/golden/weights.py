"""Weights of the reference's tiny networks: not stored, but drawn from the name of each tensor."""

import json
import re
import zlib

import numpy as np
import torch
from golden.arrays import golden_folder
from torch import Tensor

State = dict[str, Tensor]

TORGB_GAIN = {"tiny_2d": 0.45, "tiny_3d": 0.75}
DENSITY_BIAS = {"tiny_2d": 2.5, "tiny_3d": 3.5}  # fills the scene with something to see
DENSITY_GAIN = {"tiny_2d": 1.0, "tiny_3d": 2.0}
FIXED = ("resample_filter", "dataset_label_std")  # not drawn, and nothing of ours


def draw(seed_text: str, shape: tuple[int, ...]) -> Tensor:
    """Standard normal numbers of a name."""
    rng = np.random.RandomState(zlib.crc32(seed_text.encode()))
    return torch.from_numpy(np.asarray(rng.standard_normal(shape), dtype=np.float32))


def scales(net: str) -> list[tuple[str, float, float]]:
    """Pattern of the name, offset and factor; the first pattern that fits counts."""
    return [
        (r"\.w_avg$", 0, 0.3),
        (r"\.noise_strength$", 0, 0.1),
        (r"mapping\.fc\d+\.bias$", 0, 10),
        (r"\.affine\.bias$", 1, 0.1),
        (r"\.bias$", 0, 0.1),
        (r"mapping\.fc\d+\.weight$", 0, 100),
        (r"torgb\.weight$", 0, TORGB_GAIN[net]),
        (r"decoder\.net\.0\.weight$", 0, 1.5),
        (r"", 0, 1),
    ]


def reference_state(net: str, network: str) -> State:
    """State dict of `G`, `D` or `D_patch` of `tiny_2d` or `tiny_3d`, under the reference's names.

    Without resampling filters, which ours computes.
    """
    structure = json.loads((golden_folder() / "structure" / f"{net}.json").read_text())
    rules = scales(net)
    state = {}
    for name, shape, *_ in structure[f"{network}_state"]:
        if name.endswith(FIXED):
            continue
        offset, factor = next((o, f) for pattern, o, f in rules if re.search(pattern, name))
        drawn = draw(f"{network}:{net}{name}", tuple(shape))
        state[name] = drawn * factor + offset if offset else drawn * factor
    if network == "G":
        state["decoder.net.2.bias"][0] += DENSITY_BIAS[net]
        state["decoder.net.2.weight"][0] *= DENSITY_GAIN[net]
    return state


def checksum(state: State) -> int:
    """CRC-32 of all bytes, in the order of the names; without what is not drawn."""
    crc = 0
    for name in sorted(state):
        if not name.endswith(FIXED):
            crc = zlib.crc32(state[name].contiguous().numpy().tobytes(), crc)
    return crc


def vgg_state() -> tuple[State, State]:
    """VGG16's convolutions and the linear weights of LPIPS, under the names of torchvision's and of
    LPIPS' files; also drawn from names, since nobody's trained weights are needed to compare."""
    vgg, linear = {}, {}
    blocks = (
        (64, (0, 2)),
        (128, (5, 7)),
        (256, (10, 12, 14)),
        (512, (17, 19, 21)),
        (512, (24, 26, 28)),
    )
    fan_in = 3
    for b, (width, indices) in enumerate(blocks):
        for index in indices:
            name = f"vggnet.slice{b + 1}.{index}"
            gain = (2 / (fan_in * 9)) ** 0.5
            vgg[f"features.{index}.weight"] = draw(name + ".weight", (width, fan_in, 3, 3)) * gain
            vgg[f"features.{index}.bias"] = draw(name + ".bias", (width,)) * 0.05
            fan_in = width
        name = f"lin{b}.model.1.weight"
        linear[name] = draw("vgg" + name, (1, width, 1, 1)).abs() / width
    return vgg, linear
