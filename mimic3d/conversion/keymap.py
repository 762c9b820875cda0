"""Names of tensors in the authors' networks -> names in ours, complete in both directions."""

import re
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

# Resampling filters, which ours makes itself, and the spread of the dataset's labels, for metrics.
DROPPED = re.compile(r"(.+\.)?resample_filter|dataset_label_std")

Rules = tuple[tuple[str, Callable[[re.Match], str]], ...]

GENERATOR: Rules = (
    (r"backbone\.mapping\.fc(\d+)\.(\w+)", lambda m: f"mapping.layers.{m[1]}.{m[2]}"),
    (r"backbone\.mapping\.(embed\.\w+|w_avg)", lambda m: f"mapping.{m[1]}"),
    (r"backbone\.synthesis\.b4\.(.+)", lambda m: f"backbone.first.{m[1]}"),
    (r"backbone\.synthesis\.b(\d+)\.(.+)", lambda m: f"backbone.blocks.{_level(m[1]) - 1}.{m[2]}"),
    (r"backbone\.synthesis\.b3d(\d+)\.block\.(.+)",
     lambda m: f"pyramid.blocks.{_level(m[1])}.{m[2]}"),
    (r"backbone\.synthesis\.b3d\d+\.(block[23]\..+)", lambda m: f"detail.{m[1]}"),
    (r"superresolution\.(.+)", lambda m: m[0]),
    (r"decoder\.net\.0\.(\w+)", lambda m: f"decoder.hidden_{m[1]}"),
    (r"decoder\.net\.2\.(\w+)", lambda m: f"decoder.out_{m[1]}"),
)  # fmt: skip


def generator_name(theirs: str) -> str | None:
    """Our name of a tensor of G; None if no network of ours has it."""
    return _translate(theirs, GENERATOR)


def discriminator_name(theirs: str, resolution: int) -> str | None:
    """Our name of a tensor of D or D_patch for images of this resolution; None as above."""
    top = _level(str(resolution))
    rules: Rules = (
        (r"b4\.(.+)", lambda m: f"trunk.epilogue.{m[1]}"),
        (rf"b{resolution}\.(fromrgb\..+)", lambda m: f"trunk.{m[1]}"),
        (r"b(\d+)\.(.+)", lambda m: f"trunk.blocks.{top - _level(m[1])}.{m[2]}"),
        (r"mapping\.fc(\d+)\.(\w+)", lambda m: f"mapping.layers.{m[1]}.{m[2]}"),
        (r"mapping\.(embed\.\w+)", lambda m: m[0]),
    )
    return _translate(theirs, rules)


def block_resolutions(names: Iterable[str], prefix: str) -> list[int]:
    """Resolutions r of the blocks `<prefix><r>` that have tensors, ascending."""
    matches = (re.match(rf"{re.escape(prefix)}(\d+)\.", name) for name in names)
    return sorted({int(match[1]) for match in matches if match})


def fill(
    module: nn.Module, weights: dict[str, Tensor], our_name: Callable[[str], str | None], which: str
) -> None:
    """Give a module, which may be on the meta device, all weights of one of theirs.

    Raises:
        ValueError: a tensor on either side has no partner, or one of another shape.
    """
    expected = module.state_dict()
    renamed: dict[str, Tensor] = {}
    for theirs, tensor in weights.items():
        if DROPPED.fullmatch(theirs):
            continue
        ours = our_name(theirs)
        if ours is None or ours not in expected or ours in renamed:
            raise ValueError(
                f"{which} must hold only tensors that our network has too, holds {theirs}; it "
                f"comes from a variant that cannot be converted"
            )
        if tensor.shape != expected[ours].shape or not tensor.is_floating_point():
            raise ValueError(
                f"{which}.{theirs} must be a float tensor of shape {tuple(expected[ours].shape)}, "
                f"as our {ours}, is {tensor.dtype} of shape {tuple(tensor.shape)}; it comes from a "
                f"variant that cannot be converted"
            )
        renamed[ours] = tensor.to(torch.float32, copy=True)
    missing = [name for name in expected if name not in renamed]
    if missing:
        raise ValueError(
            f"{which} must hold a tensor for each of ours, holds none for {missing[0]} "
            f"({len(missing)} are missing); it comes from a variant that cannot be converted"
        )
    module.load_state_dict(renamed, assign=True)


def _translate(theirs: str, rules: Rules) -> str | None:
    for pattern, template in rules:
        if match := re.fullmatch(pattern, theirs):
            return template(match)
    return None


def _level(resolution: str) -> int:
    """Level of a block: 0 for 4 x 4 pixels, 1 for 8 x 8..."""
    side = int(resolution)
    if side < 4 or side & (side - 1):
        raise ValueError(f"the resolution of a block must be a power of two from 4, is {side}")
    return side.bit_length() - 3
