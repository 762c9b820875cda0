"""A ball before a wall, whose views and densities are known by formula."""

import torch
from einops import rearrange

from mimic3d.metrics.views import PosedView
from mimic3d.rays import cast_rays

CENTER, RADIUS, WALL_Z = (0.0, 0.05, 0.1), 0.15, -0.25
DENSITY = 2000.0  # half of the light is gone after 0.0003 units


class BallAndWall:
    """An opaque ball, red to green from left to right and blue upwards, before a grey wall."""

    def render(self, cameras, branch="3d", resolution=None):
        rays = cast_rays(cameras, resolution)
        origins, directions = rays.origins, rays.directions
        offset = origins - torch.tensor(CENTER)
        along = (offset * directions).sum(dim=-1)
        root = along**2 - offset.square().sum(dim=-1) + RADIUS**2
        ball = torch.where(root > 0, -along - root.clamp(min=0).sqrt(), torch.inf)
        wall = (WALL_Z - origins[..., 2]) / directions[..., 2]
        depth = torch.minimum(ball, wall)
        points = origins + depth[..., None] * directions
        image = self.colors(points) * 2 - 1

        def square(x):
            return rearrange(x, "n (h w) c -> n c h w", h=resolution)

        alpha = torch.ones_like(depth)[..., None]
        return PosedView(square(image), square(depth[..., None]), square(alpha), cameras)

    def query(self, points):
        inside = (points - torch.tensor(CENTER)).norm(dim=-1) < RADIUS
        solid = inside | (points[..., 2] < WALL_Z)
        return DENSITY * solid[..., None].float(), self.colors(points)

    @staticmethod
    def colors(points):
        x, y, z = points.unbind(dim=-1)
        ball = torch.stack([0.5 + 2 * x, 0.5 - 2 * x, 0.4 + 2 * y], dim=-1)
        is_wall = (z < WALL_Z + 0.01)[..., None]
        return torch.where(is_wall, torch.full_like(ball, 0.6), ball).clamp(0, 1)
