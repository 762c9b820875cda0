import math

import torch
from torch.testing import assert_close

from mimic3d.losses.adversarial import (
    AdversarialConfig,
    discriminator_loss,
    generator_loss,
    r1_penalty,
)


def test_known_values():
    zero = torch.zeros(4)
    assert_close(generator_loss(zero).item(), math.log(2))
    assert_close(discriminator_loss(zero, zero).item(), 2 * math.log(2))
    assert generator_loss(zero + 9) < generator_loss(zero)
    assert discriminator_loss(zero + 9, zero - 9) < discriminator_loss(zero, zero)


def test_r1_of_a_linear_discriminator_is_its_squared_weight():
    weight, raw_weight = torch.randn(3, 8, 8), torch.randn(3, 4, 4)
    image = torch.randn(5, 3, 8, 8, requires_grad=True)
    image_raw = torch.randn(5, 3, 4, 4, requires_grad=True)
    logits = (image * weight).sum([1, 2, 3]) + (image_raw * raw_weight).sum([1, 2, 3])
    penalty = r1_penalty(logits, (image, image_raw), AdversarialConfig(r1_gamma=3))
    expected = 1.5 * (weight.square().sum() + raw_weight.square().sum())
    assert_close(penalty, expected)


def test_r1_can_be_differentiated_again():
    weight = torch.randn(3, 8, 8, requires_grad=True)
    image = torch.randn(2, 3, 8, 8, requires_grad=True)
    logits = (image * weight).sum([1, 2, 3]).square()
    r1_penalty(logits, (image,), AdversarialConfig()).backward()
    assert weight.grad is not None
    assert weight.grad.isfinite().all()
    assert weight.grad.abs().sum() > 0
