"""Gaussian splats: ellipsoids of one colour each (Kerbl et al. 2023, 3D Gaussian Splatting)."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True, eq=False)
class Splats:
    """Ellipsoids in world units; a splat has the same colour from everywhere."""

    centers: Float[Tensor, "m 3"]
    rotations: Float[Tensor, "m 4"]
    """Unit quaternions w, x, y, z, that turn the ellipsoid's axes into the world's."""
    scales: Float[Tensor, "m 3"]
    """Standard deviations along the ellipsoid's axes, world units."""
    opacities: Float[Tensor, " m"]
    """Share of the light that the middle of a splat absorbs, in (0, 1)."""
    colors: Float[Tensor, "m 3"]
    """Colours in 0..1, sRGB as in images."""

    def __len__(self) -> int:
        return len(self.centers)

    def __getitem__(self, index: Bool[Tensor, " m"] | Int[Tensor, " k"]) -> "Splats":
        return Splats(*(part[index] for part in self.parts()))

    def parts(self) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Its tensors, in the order of the fields."""
        return self.centers, self.rotations, self.scales, self.opacities, self.colors

    def with_colors(self, colors: Float[Tensor, "m 3"]) -> "Splats":
        """The same ellipsoids in other colours."""
        return replace(self, colors=colors)

    def covariances(self) -> Float[Tensor, "m 3 3"]:
        """Covariance of each ellipsoid in the world: R S S R^T."""
        axes = quaternion_matrices(self.rotations) * self.scales[:, None]
        return axes @ axes.mT


def join_splats(parts: list[Splats]) -> Splats:
    """All splats of several lots, in their order."""
    return Splats(*(torch.cat(rows) for rows in zip(*(p.parts() for p in parts), strict=True)))


def quaternion_matrices(quaternions: Float[Tensor, "m 4"]) -> Float[Tensor, "m 3 3"]:
    """Rotation matrices of unit quaternions w, x, y, z."""
    w, x, y, z = quaternions.unbind(dim=-1)
    rows = [
        1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
        2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
        2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
    ]  # fmt: skip
    return torch.stack(rows, dim=-1).unflatten(-1, (3, 3))


def matrix_quaternions(matrices: Float[Tensor, "m 3 3"]) -> Float[Tensor, "m 4"]:
    """Unit quaternions w, x, y, z of rotation matrices; w is not negative.

    Of the four products of the quaternion with one of its components, the one with the largest
    component, since the others may vanish (Shepperd 1978).
    """
    m = [[matrices[:, i, j] for j in range(3)] for i in range(3)]
    products = torch.stack([
        torch.stack([1 + m[0][0] + m[1][1] + m[2][2], m[2][1] - m[1][2],
                     m[0][2] - m[2][0], m[1][0] - m[0][1]], dim=-1),
        torch.stack([m[2][1] - m[1][2], 1 + m[0][0] - m[1][1] - m[2][2],
                     m[1][0] + m[0][1], m[0][2] + m[2][0]], dim=-1),
        torch.stack([m[0][2] - m[2][0], m[1][0] + m[0][1],
                     1 - m[0][0] + m[1][1] - m[2][2], m[2][1] + m[1][2]], dim=-1),
        torch.stack([m[1][0] - m[0][1], m[0][2] + m[2][0],
                     m[2][1] + m[1][2], 1 - m[0][0] - m[1][1] + m[2][2]], dim=-1),
    ], dim=1)  # m 4 4, 4 q_i q_j  # fmt: skip
    largest = products.diagonal(dim1=1, dim2=2).argmax(dim=-1)
    quaternions = F.normalize(products[torch.arange(len(matrices)), largest], dim=-1)
    return torch.where(quaternions[:, :1] < 0, -quaternions, quaternions)
