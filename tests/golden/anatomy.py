"""Compares our networks with the names, shapes and counts of the reference's, tensor by tensor."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from math import prod

from torch import nn

from mimic3d.conversion.keymap import (
    DROPPED,
    block_resolutions,
    discriminator_name,
    generator_name,
)

DEPTH = 3  # modules below it are not counted apart: backbone.synthesis.b4 is the last

Listed = list[tuple[str, list[int], str, str]]  # name, shape, dtype, param or buffer


def assert_same_anatomy(module: nn.Module, structure: dict, network: str) -> None:
    """Asserts that G, D or D_patch, ours and the one in structure/*.json, have the same tensors.

    The module may be on the meta device.
    """
    listed: Listed = structure[f"{network}_state"]
    our_name = _namer(listed, network)
    theirs = {}
    for name, shape, dtype, kind in listed:
        if not DROPPED.fullmatch(name):
            ours = our_name(name)
            assert ours is not None, name
            assert ours not in theirs, name
            theirs[ours] = shape, dtype, kind
    parameters = {name for name, _ in module.named_parameters()}
    found = {
        name: (
            list(tensor.shape),
            str(tensor.dtype).removeprefix("torch."),
            "param" if name in parameters else "buffer",
        )
        for name, tensor in module.state_dict().items()
    }
    assert found == theirs
    assert count_groups(module, listed, our_name) == structure[network]


def count_groups(
    module: nn.Module, listed: Listed, our_name: Callable[[str], str | None]
) -> dict[str, int]:
    """Parameters of ours by the reference's modules, and what the reference's buffers hold."""
    sizes = {name: parameter.numel() for name, parameter in module.named_parameters()}
    counts = Counter({"<total>": sum(sizes.values())})
    for name, shape, _, kind in listed:
        parts = name.split(".")[:-1]
        if kind == "buffer":
            counts["<buffers>"] += prod(shape)
        else:
            for depth in range(1, min(len(parts), DEPTH) + 1):
                counts[".".join(parts[:depth])] += sizes[our_name(name) or name]
    return dict(counts)


def _namer(listed: Listed, network: str) -> Callable[[str], str | None]:
    if network == "G":
        return generator_name
    side = block_resolutions((name for name, *_ in listed), "b")[-1]
    return partial(discriminator_name, resolution=side)
