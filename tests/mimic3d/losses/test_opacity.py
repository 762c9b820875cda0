import torch
from torch.testing import assert_close

from mimic3d.losses.opacity import OpacityConfig, opacity_loss


def test_solid_pixels_cost_nothing_and_empty_ones_the_weight():
    cfg = OpacityConfig(weight=3)
    alpha = torch.ones(2, 1, 4, 4)
    assert opacity_loss(alpha, cfg) == 0
    alpha[:, :, :, :1] = 0  # a quarter of the rays
    assert_close(opacity_loss(alpha, cfg), torch.tensor(0.75))


def test_every_pixel_is_drawn_to_opacity_alike():
    alpha = torch.rand(2, 1, 4, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    opacity_loss(alpha, OpacityConfig(weight=2)).backward()
    assert_close(alpha.grad, torch.full_like(alpha, -2 / alpha.numel()))
