"""Correction of the cameras of photos: a few degrees and hundredths, by least squares.

Only the camera moves, so planes are made once; the derivatives are differences of small renderings,
which any renderer makes, and the six unknowns of each photo are solved for at once
(Levenberg-Marquardt).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor

from mimic3d.cameras import Cameras, Point
from mimic3d.config import Config
from mimic3d.inversion.targets import InversionTarget
from mimic3d.networks.objects import Objects

NUM_UNKNOWNS = 6  # rotation about the pivot, then translation
STEP = 0.01  # of the differences: rad and world units, about half a pixel of 64


class CameraFitConfig(Config):
    """Correction of the cameras of the target."""

    interval: NonNegativeInt = 20
    """Steps of the style between two corrections; 0 leaves the cameras as they are."""
    resolution: PositiveInt = 64
    """Side of the renderings that are compared at most, pixels."""
    rotation_sigma_deg: PositiveFloat = 2.0
    """Usual error of a camera's rotation about the scene's pivot, degrees."""
    translation_sigma: PositiveFloat = 0.02
    """Usual error of its place, world units."""
    prior_weight: NonNegativeFloat = 3e-3
    """Mean square difference of the pixels, in [-1, 1], that outweighs a usual error."""
    limit: PositiveFloat = 3.0
    """Largest correction of each unknown, in usual errors."""
    damping: PositiveFloat = 1e-3
    """Damping of Levenberg-Marquardt, share of the diagonal."""


@dataclass(frozen=True)
class CameraCorrection:
    """Rotation vector about the scene's pivot (rad) and translation (world units) per camera."""

    twist: Float[Tensor, "n 6"]

    @property
    def degrees(self) -> Float[Tensor, " n"]:
        """Angles of the rotations."""
        return self.twist[:, :3].norm(dim=1).rad2deg()

    @property
    def distance(self) -> Float[Tensor, " n"]:
        """Lengths of the translations, world units."""
        return self.twist[:, 3:].norm(dim=1)

    def apply(self, cameras: Cameras, pivot: Point) -> Cameras:
        """The corrected cameras: turned about the pivot, then moved."""
        turn = torch.linalg.matrix_exp(_skew(self.twist[:, :3]))
        center = cameras.centers.new_tensor(pivot)
        places = torch.einsum("nij,nj->ni", turn, cameras.centers - center) + center
        cam2world = cameras.cam2world.clone()
        cam2world[:, :3, :3] = turn @ cameras.cam2world[:, :3, :3]
        cam2world[:, :3, 3] = places + self.twist[:, 3:]
        return Cameras(cam2world, cameras.intrinsics)


def no_correction(target: InversionTarget) -> CameraCorrection:
    """The correction that leaves the cameras of a target as they are."""
    return CameraCorrection(target.images.new_zeros(len(target), NUM_UNKNOWNS))


@torch.no_grad()
def correct_cameras(
    objects: Objects, target: InversionTarget, correction: CameraCorrection, cfg: CameraFitConfig
) -> CameraCorrection:
    """One step of Levenberg-Marquardt from a correction; cameras that would lose by it stay."""
    side = min(cfg.resolution, target.images.shape[-1])
    small = target.resized(side)
    scale = small.images.new_tensor([cfg.rotation_sigma_deg] * 3).deg2rad()
    sigmas = torch.cat([scale, scale.new_full((3,), cfg.translation_sigma)])
    here = correction.twist
    shifts = STEP * torch.eye(NUM_UNKNOWNS, device=here.device)
    ahead = [_render(objects, small, here + shift) for shift in shifts]
    behind = [_render(objects, small, here - shift) for shift in shifts]
    slopes = torch.stack(ahead, dim=1) - torch.stack(behind, dim=1)
    jacobian = slopes.flatten(2) / (2 * STEP)  # n 6 pixels
    rendered = _render(objects, small, here)
    residual = (small.images - rendered).flatten(1)
    count = residual.shape[1]
    prior = torch.diag(count * cfg.prior_weight / NUM_UNKNOWNS / sigmas.square())
    normal = jacobian @ jacobian.mT + prior
    damped = normal + cfg.damping * torch.diag_embed(normal.diagonal(dim1=1, dim2=2))
    gradient = torch.einsum("nkp,np->nk", jacobian, residual) - here @ prior
    there = here + torch.linalg.solve(damped, gradient)
    there = torch.minimum(torch.maximum(there, -cfg.limit * sigmas), cfg.limit * sigmas)
    moved = (small.images - _render(objects, small, there)).flatten(1)
    gains = _cost(moved, there, prior) < _cost(residual, here, prior)
    return CameraCorrection(torch.where(gains[:, None], there, here))


def _cost(
    residual: Float[Tensor, "n p"], twist: Float[Tensor, "n 6"], prior: Float[Tensor, "6 6"]
) -> Float[Tensor, " n"]:
    return residual.square().sum(dim=1) + torch.einsum("ni,ij,nj->n", twist, prior, twist)


def _render(
    objects: Objects, target: InversionTarget, twist: Float[Tensor, "n 6"]
) -> Float[Tensor, "n 3 h w"]:
    cameras = CameraCorrection(twist).apply(target.cameras, objects.G.scene.pivot)
    return objects.render(cameras, "3d", target.images.shape[-1]).image


def _skew(vectors: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3 3"]:
    x, y, z = vectors.unbind(dim=1)
    zero = torch.zeros_like(x)
    return torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=1).unflatten(1, (3, 3))
