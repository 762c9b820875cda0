"""The side pyramid: skip images of the backbone -> coarse planes -> detail planes (Mimic3D)."""

import math

from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from mimic3d.networks.aware3d import AwareLayer, AwareToRGB
from mimic3d.networks.layers import Noise, SynthesisLayer, ToRGB
from mimic3d.networks.synthesis import level_resolutions


class AwareBlock(nn.Module):
    """Two 3D-aware layers and their image; nothing else of them travels on."""

    def __init__(self, channels: int, w_dim: int, resolution: int, up: bool, legacy: bool):
        super().__init__()
        self.conv0 = AwareLayer(channels, channels, w_dim, resolution, up)
        self.conv1 = AwareLayer(channels, channels, w_dim, resolution, up=False)
        self.torgb = AwareToRGB(channels, channels, w_dim, legacy)

    def forward(
        self, planes: Float[Tensor, "n 3 c h w"], w: Float[Tensor, "n w_dim"], noise: Noise
    ) -> Float[Tensor, "n 3 o h2 w2"]:
        """The planes after the block; one style vector serves all layers."""
        x = self.conv0(planes, w, noise)
        return self.torgb(self.conv1(x, w, noise), w)


class PlaneBlock(nn.Module):
    """Two layers and their image for planes blind to each other: shared weights, own styles."""

    def __init__(self, channels: int, w_dim: int, resolution: int, up: bool):
        super().__init__()
        self.conv0 = SynthesisLayer(channels, channels, w_dim, resolution, up, num_planes=3)
        self.conv1 = SynthesisLayer(channels, channels, w_dim, resolution, False, num_planes=3)
        self.torgb = ToRGB(channels, channels, w_dim, num_planes=3)

    def forward(
        self, planes: Float[Tensor, "n 3 c h w"], w: Float[Tensor, "n w_dim"], noise: Noise
    ) -> Float[Tensor, "n 3 o h2 w2"]:
        """The planes after the block; one style vector serves all layers."""
        x = rearrange(planes, "n p c h w -> (n p) c h w")
        x = self.conv0(x, w, noise)
        x = self.torgb(self.conv1(x, w, noise), w)
        return rearrange(x, "(n p) c h w -> n p c h w", p=3)


class SidePyramid(nn.Module):
    """Skip images of all levels -> coarse planes xy, yz, zx.

    The block of level l gets the skip image plus the planes of the level before, and the style of
    that level's image, ws[2 l + 1]. Only the last block keeps the resolution.

    The sum of both is divided by sqrt(2), which keeps its variance from level to level. The
    reference (`legacy`) does not, and its planes are so large that colours start saturated.
    """

    def __init__(self, plane_channels: int, w_dim: int, resolution: int, legacy: bool):
        super().__init__()
        sizes = level_resolutions(resolution)
        self.sum_gain = 1.0 if legacy else math.sqrt(0.5)
        self.blocks = nn.ModuleList(
            AwareBlock(plane_channels, w_dim, min(2 * r, resolution), r < resolution, legacy)
            for r in sizes
        )

    def forward(
        self,
        levels: tuple[Float[Tensor, "n _i _h _w"], ...],
        ws: Float[Tensor, "n l w_dim"],
        noise: Noise,
    ) -> Float[Tensor, "n 3 c h w"]:
        """The coarse planes, as large as the last level."""
        split = [rearrange(level, "n (p c) h w -> n p c h w", p=3) for level in levels]
        planes = self.blocks[0](split[0], ws[:, 1], noise)
        for k, (block, level) in enumerate(zip(self.blocks[1:], split[1:], strict=True), 1):
            planes = block((level + planes) * self.sum_gain, ws[:, 2 * k + 1], noise)
        return planes


class DetailBranch(nn.Module):
    """Coarse planes -> detail planes of twice the resolution, which the decoder sees added to them.

    The last image starts at zero, so that imitation starts from the coarse planes alone; the
    reference (`legacy`) starts at random, with details larger than the planes they refine.
    """

    def __init__(self, plane_channels: int, w_dim: int, resolution: int, legacy: bool):
        super().__init__()
        self.block2 = PlaneBlock(plane_channels, w_dim, 2 * resolution, up=True)
        self.block3 = PlaneBlock(plane_channels, w_dim, 2 * resolution, up=False)
        if not legacy:
            nn.init.zeros_(self.block3.torgb.weight)

    def forward(
        self,
        coarse: Float[Tensor, "n 3 c h w"],
        ws: Float[Tensor, "n l w_dim"],
        noise: Noise,
    ) -> Float[Tensor, "n 3 c 2*h 2*w"]:
        """The detail planes."""
        w = ws[:, -1]
        return self.block3(self.block2(coarse, w, noise), w, noise)
