"""A generator whose shapes and colours are known, for tests that apply metrics to generators."""

import torch
from einops import rearrange
from torch import nn

from mimic3d.networks.generator import Generated, Generator, GeneratorConfig, View
from mimic3d.rays import cast_rays

FREQUENCIES = torch.tensor([[40.0, 9, 14], [7.0, 45, -20], [11.0, -12, 38]])
RADIUS = 0.25


class PaintedBalls(Generator):
    """A ball with colours of its own per latent: the 3D branch is exact, the 2D branch has a
    pattern glued to the screen and coarse depth."""

    def __init__(self, scene):
        nn.Module.__init__(self)
        self.config = GeneratorConfig(image_resolution=64, neural_rendering_resolution=32, z_dim=2)
        self.scene = scene

    def mapping(self, z, c, truncation_psi=1.0):
        return (z + c[:, :2])[:, None]

    def synthesize_planes(self, ws, detail, noise):
        return (ws[:, 0, None, :, None, None].expand(-1, 3, -1, 4, 4),)

    def density(self, planes, points):
        return 100 * (RADIUS - points.norm(dim=-1, keepdim=True))

    def render_3d(self, planes, cameras, resolution, sampling=None, windows=None):
        rays = cast_rays(cameras, resolution)
        along = (rays.origins * rays.directions).sum(dim=-1)
        inner = along**2 - (rays.origins**2).sum(dim=-1) + RADIUS**2
        seen = inner > 0
        depth = torch.where(seen, -along - inner.clamp(min=0).sqrt(), self.scene.far)
        points = rays.origins + depth[..., None] * rays.directions
        phase = planes[0][:, 0, :1, 0, 0, None]
        color = 0.5 * torch.sin(points @ FREQUENCIES + phase) * seen[..., None]
        shape = {"h": resolution}
        return View(
            rearrange(color, "n (h w) c -> n c h w", **shape),
            rearrange(depth, "n (h w) -> n 1 h w", **shape),
            rearrange(seen.float(), "n (h w) -> n 1 h w", **shape),
        )

    def render_2d(self, planes, ws, cameras, sampling=None):
        raw, fine = self.render_3d(planes, cameras, 32), self.render_3d(planes, cameras, 64)
        pattern = 0.2 * torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
        return Generated(fine.image + pattern, raw.image, raw.depth, raw.alpha)
