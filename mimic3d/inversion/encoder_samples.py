"""Samples of the generator to train an encoder on: images of the 3D branch, w, and cameras."""

from dataclasses import dataclass

import torch
from einops import rearrange, repeat
from jaxtyping import Float, Int, UInt8
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor
from torch.nn import functional as F

from mimic3d.config import Config
from mimic3d.inversion.principal_axes import draw_w
from mimic3d.inversion.view_parameters import NUM_PARAMETERS, cameras_from_parameters
from mimic3d.metrics.features import resize, to_uint8
from mimic3d.networks.generator import Generator
from mimic3d.networks.objects import synthesize_objects
from mimic3d.rays import crop, random_windows
from mimic3d.surfaces.pose_range import PoseRange, pose_range
from mimic3d.training.phases import seeded_rng

OVERSAMPLING = (
    2  # pixels rendered per pixel of the encoder, along an axis, where the model has them
)


class PoolConfig(Config):
    """Pool of samples that one round of the training draws its batches from."""

    num_objects: PositiveInt = 1024
    """Objects in the pool."""
    num_views: PositiveInt = 4
    """Images of each, from cameras of their own; planes are made once for all of them."""
    batch: PositiveInt = 16
    """Objects rendered at a time; moves memory and time only."""
    yaw_rad: PositiveFloat | None = None
    """Largest yaw, drawn uniformly; null is the range of the training data (`pose_range`)."""
    pitch_rad: PositiveFloat | None = None
    """Largest pitch, drawn uniformly; null is that of the training data."""
    roll_std_rad: NonNegativeFloat = 0.05
    """Standard deviation of the roll; crops of photos are not upright to the last degree."""
    offset_std: NonNegativeFloat = 0.03
    """Standard deviation of each coordinate of the camera's offset, world units; at a distance of
    2.7 and a focal length of 4.26, 0.03 moves the image by 5 % of its width."""


class DisturbanceConfig(Config):
    """Disturbances of training images, so that the encoder survives photos."""

    brightness: NonNegativeFloat = 0.15
    """Largest offset of an image in [-1, 1]."""
    contrast: NonNegativeFloat = 0.2
    """Largest relative change of its contrast."""
    noise: NonNegativeFloat = 0.08
    """Largest standard deviation of noise on an image in [-1, 1]."""
    shift_px: NonNegativeInt = 1
    """Largest shift along each axis, pixels; borders are repeated."""
    blur: bool = True
    """Mixing of each image with its blurred self, by a share drawn uniformly."""


@dataclass(frozen=True)
class SamplePool:
    """Images of objects with their styles and cameras, on the CPU."""

    images: UInt8[Tensor, "n v 3 h w"]
    w: Float[Tensor, "n w_dim"]
    parameters: Float[Tensor, "n v 6"]
    """Camera parameters (`cameras_from_parameters`)."""

    def pick(
        self, objects: Int[Tensor, " b"], views: Int[Tensor, " b"]
    ) -> tuple[Float[Tensor, "b 3 h w"], Float[Tensor, "b w_dim"], Float[Tensor, "b 6"]]:
        """Images in [-1, 1], styles and camera parameters of chosen views."""
        images = self.images[objects, views].float() / 127.5 - 1
        return images, self.w[objects], self.parameters[objects, views]


def draw_parameters(
    extent: PoseRange, cfg: PoolConfig, num: int, rng: torch.Generator
) -> Float[Tensor, "n 6"]:
    """Camera parameters drawn at random."""
    angles = torch.rand((num, 2), generator=rng) * 2 - 1
    angles = angles * torch.tensor([extent.yaw_rad, extent.pitch_rad])
    rest = torch.randn((num, NUM_PARAMETERS - 2), generator=rng)
    scale = torch.tensor([cfg.roll_std_rad, *[cfg.offset_std] * 3])
    return torch.cat([angles, rest * scale], dim=1)


def find_extent(label: Float[Tensor, "1 25"], cfg: PoolConfig) -> PoseRange:
    """Range of yaw and pitch: as configured, or that of the training data."""
    own = pose_range(tuple(label[0].tolist()))
    return PoseRange(cfg.yaw_rad or own.yaw_rad, cfg.pitch_rad or own.pitch_rad)


@torch.no_grad()
def draw_pool(
    G: Generator, label: Float[Tensor, "1 25"], resolution: int, cfg: PoolConfig,
    seed: int, number: int,
) -> SamplePool:  # fmt: skip
    """The pool of a number: images of the 3D branch of styles of the average camera.

    Seed and number alone decide what is in it.
    """
    device = G.mapping.w_avg.device
    rng = seeded_rng(torch.device("cpu"), seed, number, "views")
    w = draw_w(G, label, number * cfg.num_objects, cfg.num_objects, seed)
    drawn = draw_parameters(find_extent(label, cfg), cfg, cfg.num_objects * cfg.num_views, rng)
    parameters = rearrange(drawn, "(n v) k -> n v k", v=cfg.num_views)
    side = min(OVERSAMPLING * resolution, G.config.image_resolution)
    images = []
    for part, views in zip(w.split(cfg.batch), parameters.split(cfg.batch), strict=True):
        ws = repeat(part, "n w_dim -> n l w_dim", l=G.mapping.num_ws)
        objects = synthesize_objects(G, ws)
        rendered = [
            objects.render(cameras_from_parameters(view, G.scene).to(device), "3d", side).image
            for view in views.unbind(dim=1)
        ]
        small = [to_uint8(resize(image, resolution)).cpu() for image in rendered]
        images.append(torch.stack(small, dim=1))
    return SamplePool(torch.cat(images), w.cpu(), parameters)


def augment_images(
    images: Float[Tensor, "n 3 h w"], cfg: DisturbanceConfig, rng: torch.Generator
) -> Float[Tensor, "n 3 h w"]:
    """Images in [-1, 1], disturbed at random: shifts, blur, contrast, brightness, noise."""
    num, side = len(images), images.shape[-1]

    def uniform(low: float, high: float) -> Float[Tensor, "n 1 1 1"]:
        return torch.rand((num, 1, 1, 1), generator=rng) * (high - low) + low

    shift = cfg.shift_px
    padded = F.pad(images, (shift,) * 4, mode="replicate")
    images = crop(padded, random_windows(num, side + 2 * shift, side, rng))
    if cfg.blur:
        images = images.lerp(_blur(images), uniform(0, 1))
    images = images * uniform(1 - cfg.contrast, 1 + cfg.contrast)
    images = images + uniform(-cfg.brightness, cfg.brightness)
    return images + uniform(0, cfg.noise) * torch.randn(images.shape, generator=rng)


def _blur(images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 h w"]:
    """Mean of 3 x 3 pixels, twice; borders are repeated."""
    for _ in range(2):
        images = F.avg_pool2d(F.pad(images, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    return images
