"""The 2D branch: features rendered at low resolution -> image (EG3D's super-resolution)."""

from jaxtyping import Float
from pydantic import PositiveInt
from torch import Tensor

from mimic3d.config import Config
from mimic3d.networks.layers import FP16_CLAMP
from mimic3d.networks.precision import MixedPrecision
from mimic3d.networks.resample import resize
from mimic3d.networks.synthesis import SynthesisBlock

TWO_STEPS_FROM = 512  # image resolution from which both blocks upsample (EG3D)


class SuperResolutionConfig(Config):
    """Width of the super-resolution network."""

    channels: PositiveInt = 64
    """Channels of the last block, half as many as those of the first; where both blocks upsample
    (images from 512 pixels) these numbers double (EG3D: 128, 64; 256, 128 at 512)."""


class SuperResolution(MixedPrecision):
    """Features, their first three channels as image_raw, and the last style vector -> image.

    Two blocks. From 512 pixels both upsample and the input has a quarter of the resolution;
    below, only the second does and the input has half of it. The `legacy` form clamps activations,
    and where image_raw has the resolution of an input that is not upsampled, as at 128 pixels, it
    adds the first block's image to it in place: what the reference's discriminator has seen.
    """

    def __init__(
        self, cfg: SuperResolutionConfig, channels: int, w_dim: int, image_resolution: int,
        legacy: bool = False,
    ):  # fmt: skip
        super().__init__()
        self.legacy = legacy
        clamp = FP16_CLAMP if legacy else None
        up = image_resolution >= TWO_STEPS_FROM
        last = cfg.channels * (2 if up else 1)
        half = image_resolution // 2
        self.input_resolution = half // 2 if up else half
        self.block0 = SynthesisBlock(channels, 2 * last, w_dim, half, 3, up, clamp)
        self.block1 = SynthesisBlock(2 * last, last, w_dim, image_resolution, 3, True, clamp)

    def forward(
        self,
        features: Float[Tensor, "n c h w"],
        image_raw: Float[Tensor, "n 3 h w"],
        ws: Float[Tensor, "n l w_dim"],
    ) -> tuple[Float[Tensor, "n 3 h2 w2"], Float[Tensor, "n 3 h w"]]:
        """The image, nominally in [-1, 1] but not bounded, without noise; and image_raw."""
        styles = ws[:, -1:].expand(-1, 3, -1)
        x = resize(features, self.input_resolution).to(self.compute_dtype)
        image = resize(image_raw, self.input_resolution)
        x, image = self.block0(x, image, styles, "none")
        if self.legacy and not self.block0.up and image_raw.shape[-1] == self.input_resolution:
            image_raw = image
        return self.block1(x, image, styles, "none")[1], image_raw
