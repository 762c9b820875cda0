"""`python -m benchmarks.precision`: discriminator and super-resolution in float32 and bfloat16.

Milliseconds of CPU on one thread, forward and backward, minimum of alternating repeats, with
channels first in memory, as the networks have them, and last; and how far bfloat16 moves logits,
images and gradients.
"""

import argparse
import time
from collections.abc import Callable
from itertools import product

import torch
from torch import Tensor

from mimic3d.networks.discriminator import DiscriminatorConfig, DualDiscriminator
from mimic3d.networks.precision import set_precision
from mimic3d.networks.superresolution import SuperResolution, SuperResolutionConfig

SIZES = {  # image, channel_base and channel_max of D, channels of SR, features, w_dim, batch
    "default": (64, 512, 64, 16, 16, 64, 8),
    "ffhq512": (512, 32768, 512, 64, 32, 512, 1),
}
FORMATS = {"nchw": torch.contiguous_format, "nhwc": torch.channels_last}
Pass = Callable[[torch.memory_format, torch.dtype], list[Tensor]]


def main() -> None:
    """Print a table of one size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="default")
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    passes = build_passes(args.size)
    fastest: dict[tuple[str, str, torch.dtype], float] = {}
    results: dict[tuple[str, torch.dtype], list[Tensor]] = {}
    for repeat in range(args.repeats + 1):  # the first warms up
        for (name, run), order, dtype in product(
            passes.items(), FORMATS, (torch.float32, torch.bfloat16)
        ):
            start = time.process_time()
            results[name, dtype] = run(FORMATS[order], dtype)
            seconds = time.process_time() - start
            key = (name, order, dtype)
            fastest[key] = min(fastest.get(key, seconds), seconds) if repeat else float("inf")
    for (name, order, dtype), seconds in fastest.items():
        print(f"{args.size} {name:16} {order} {str(dtype)[6:]:8} {1000 * seconds:9.1f} ms")
    for name in passes:
        pairs = zip(results[name, torch.float32], results[name, torch.bfloat16], strict=True)
        errors = [((b - a).norm() / a.norm()).item() for a, b in pairs]
        print(f"{args.size} {name:16} bfloat16 moves the output by {errors[0]:.1%}, "
              f"the gradient of the input by {errors[1]:.1%}")  # fmt: skip


def build_passes(size: str) -> dict[str, Pass]:
    """One forward and backward pass of each network: output and gradient of the input."""
    side, base, widest, channels, features, w_dim, batch = SIZES[size]
    D = DualDiscriminator(DiscriminatorConfig(channel_base=base, channel_max=widest), side)
    SR = SuperResolution(SuperResolutionConfig(channels=channels), features, w_dim, side)
    small = SR.input_resolution
    image, raw = torch.randn(batch, 3, side, side), torch.randn(batch, 3, small, small)
    x, ws = torch.randn(batch, features, small, small), torch.randn(batch, 2, w_dim)
    c = torch.randn(batch, 25)

    def discriminator(order: torch.memory_format, dtype: torch.dtype) -> list[Tensor]:
        """Logits of images, as in phase D against fakes."""
        set_precision(D, dtype)
        leaf = image.to(memory_format=order, copy=True).requires_grad_()
        logits = D(leaf, raw.to(memory_format=order), c)
        return [
            logits.detach(),
            *torch.autograd.grad(logits.sum(), [leaf, *D.trunk.parameters()])[:1],
        ]

    def superresolution(order: torch.memory_format, dtype: torch.dtype) -> list[Tensor]:
        """Images of features, as in phase G."""
        set_precision(SR, dtype)
        leaf = x.to(memory_format=order, copy=True).requires_grad_()
        images = SR(leaf, raw.to(memory_format=order), ws)[0]
        used = [p for n, p in SR.named_parameters() if "noise" not in n]
        return [images.detach(), *torch.autograd.grad(images.square().sum(), [leaf, *used])[:1]]

    return {"discriminator": discriminator, "super-resolution": superresolution}


if __name__ == "__main__":
    main()
