import torch

from mimic3d.losses.imitation import ImitationConfig, imitation_loss
from mimic3d.losses.perceptual import PerceptualConfig, build_perceptual

SMALL = PerceptualConfig(channel_divisor=32)


def test_only_the_3d_patch_learns(tmp_path):
    perceptual = build_perceptual(SMALL, tmp_path)
    patch_3d = torch.randn(2, 3, 16, 16, requires_grad=True)
    patch_2d = torch.randn(2, 3, 16, 16, requires_grad=True)
    imitation_loss(patch_3d, patch_2d, perceptual, ImitationConfig(l1_weight=1)).backward()
    assert patch_3d.grad is not None
    assert patch_3d.grad.abs().sum() > 0
    assert patch_2d.grad is None


def test_perfect_imitation_costs_nothing_and_weights_scale(tmp_path):
    perceptual = build_perceptual(SMALL, tmp_path)
    a, b = torch.randn(2, 2, 3, 16, 16).unbind(0)
    assert imitation_loss(a, a, perceptual, ImitationConfig(l1_weight=1)) == 0
    once = imitation_loss(a, b, perceptual, ImitationConfig())
    twice = imitation_loss(a, b, perceptual, ImitationConfig(weight=2))
    assert torch.allclose(2 * once, twice)
    with_l1 = imitation_loss(a, b, perceptual, ImitationConfig(l1_weight=3))
    assert torch.allclose(with_l1 - once, 3 * (a - b).abs().mean(), atol=1e-5)
