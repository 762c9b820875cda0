"""A tiny network with the reference's weights, and the forward pass that is stored of it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from einops import rearrange
from golden.arrays import Arrays
from golden.networks import build_discriminators, build_generator
from torch import Tensor, nn

from mimic3d.cameras import Cameras, cameras_from_labels
from mimic3d.networks.discriminator import DualDiscriminator, PatchDiscriminator
from mimic3d.networks.generator import Generator
from mimic3d.rays import Windows, cast_rays
from mimic3d.rendering.depths import Sampling
from mimic3d.rendering.renderer import render
from mimic3d.rendering.triplane import Planes


@dataclass(frozen=True)
class Case:
    """A tiny network and its stored forward pass."""

    arrays: Arrays
    G: Generator
    D: DualDiscriminator
    D_patch: PatchDiscriminator | None
    planes: Planes  # coarse and, where there are some, detail planes

    @property
    def ws(self) -> Tensor:
        return self.arrays["ws"]

    @property
    def cameras(self) -> Cameras:
        return cameras_from_labels(self.arrays["c_cam"])

    def silent_planes(self) -> Planes:
        return self.G.synthesize_planes(self.ws, self.G.detail is not None, "none")

    def render(
        self, planes: Planes, side: int, sampling: Sampling | None = None,
        windows: Windows | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
        """All channels, depth and alpha of any planes, as images."""
        rays = cast_rays(self.cameras, side, windows)
        cfg = self.G.config
        seen = render(
            planes, self.G.decoder, rays, self.G.scene, cfg.rendering, cfg.feature_channels,
            sampling, legacy=True,
        )  # fmt: skip
        size = windows.size if windows else side
        to_image = "n (h w) c -> n c h w"
        fields = (seen.features, seen.depth, seen.alpha)
        features, depth, alpha = (rearrange(x, to_image, h=size) for x in fields)
        return features, depth, alpha

    def super_resolve(self, features: Tensor) -> Tensor:
        return self.G.superresolution(features, features[:, :3], self.ws)[0]


@cache
def networks(net: str):
    """Nothing changes them, so all tests share them."""
    return build_generator(net), *build_discriminators(net)


def build_case(arrays: Arrays, net: str) -> Case:
    G, D, D_patch = networks(net)
    planes = G.synthesize_planes(arrays["ws"], G.detail is not None, "const")
    return Case(arrays, G, D, D_patch, planes)


def watch(modules: dict[str, nn.Module], call: Callable[[], object]) -> dict:
    """What each module returned during the call."""
    found = {}

    def watcher(name):
        return lambda _module, _inputs, output: found.__setitem__(name, output)

    hooks = [module.register_forward_hook(watcher(name)) for name, module in modules.items()]
    call()
    for hook in hooks:
        hook.remove()
    return found
