"""Score of how far an image is from what a generator knows, calibrated on its own samples.

The distance that is left between an image and its inversion in w+ is compared with distances of
pairs of random samples of the generator, all seen from the average camera: an inversion that is
hardly nearer to its image than two strangers are to each other has not found it.
"""

from dataclasses import dataclass

import torch
from einops import repeat
from jaxtyping import Float
from pydantic import Field, NonNegativeInt
from torch import Tensor

from mimic3d.cameras import Scene, orbit_cameras
from mimic3d.config import Config
from mimic3d.inversion.principal_axes import draw_w
from mimic3d.losses.perceptual import PerceptualNetwork
from mimic3d.networks.generator import Generator
from mimic3d.networks.objects import synthesize_objects

RELIEF = (0.05, 0.95)  # quantiles of depth between which the relief of a view lies
OPAQUE = 0.5  # alpha of pixels whose depth counts


class DomainConfig(Config):
    """Samples of the generator that its inversions are compared with."""

    num_samples: int = Field(default=48, ge=4)
    """Random objects; each is compared with the next."""
    seed: NonNegativeInt = 0
    """Seed of the objects."""
    far_ratio: float = Field(default=0.6, gt=0)
    """Distance left by an inversion from which on an image counts as far, share of the median
    distance of two samples; ours, between held-out images of the domain and those of others."""


@dataclass(frozen=True)
class DomainReference:
    """Distances and reliefs of random samples of a generator, rising."""

    distances: Float[Tensor, " n"]
    """Perceptual distances of pairs."""
    reliefs: Float[Tensor, " n"]
    """Spans of depth of single objects, world units."""

    def ratio(self, distance: float) -> float:
        """Distance in shares of the median distance of two samples: 0 is the image itself."""
        return distance / float(self.distances.median())

    def quantile(self, relief: float) -> float:
        """Share of the samples that have less relief: 0.01 to 0.99 is plausible."""
        return float((self.reliefs < relief).float().mean())


@torch.no_grad()
def measure_domain(
    G: Generator, average_label: Float[Tensor, "1 25"], perceptual: PerceptualNetwork,
    cfg: DomainConfig,
) -> DomainReference:  # fmt: skip
    """Reference of a generator, from objects rendered one by one."""
    zero = torch.zeros(1)
    camera = orbit_cameras(zero, zero, G.scene).to(average_label.device)
    w = draw_w(G, average_label, 0, cfg.num_samples, cfg.seed)
    images, reliefs = [], []
    for one in repeat(w, "n w_dim -> n l w_dim", l=G.mapping.num_ws).split(1):
        view = synthesize_objects(G, one).render(camera)
        images.append(view.image)
        reliefs.append(depth_relief(view.depth, view.alpha, G.scene))
    stacked = torch.cat(images)
    distances = perceptual(stacked, stacked.roll(1, dims=0))
    return DomainReference(distances.sort().values, torch.tensor(reliefs).sort().values)


def depth_relief(
    depth: Float[Tensor, "1 1 h w"], alpha: Float[Tensor, "1 1 h w"], scene: Scene
) -> float:
    """Span of the depth of opaque pixels between two quantiles, world units."""
    opaque = depth[alpha > OPAQUE]
    if not len(opaque):
        return scene.far - scene.near
    low, high = opaque.quantile(opaque.new_tensor(RELIEF)).tolist()
    return high - low
