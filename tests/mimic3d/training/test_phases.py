import pytest
import torch
from torch import nn

from mimic3d.training.phases import OptimizerConfig, build_optimizer, seeded_rng


def test_lazy_regularisation_corrects_the_optimiser():
    adam = build_optimizer(nn.Linear(2, 2), OptimizerConfig(lr=0.0025), lazy_interval=4)
    assert adam.param_groups[0]["lr"] == pytest.approx(0.0020)
    assert adam.param_groups[0]["betas"] == pytest.approx((0.0, 0.991992), abs=1e-6)
    adam = build_optimizer(nn.Linear(2, 2), OptimizerConfig(lr=0.002), lazy_interval=16)
    assert adam.param_groups[0]["lr"] == pytest.approx(0.00188235, abs=1e-8)
    assert adam.param_groups[0]["betas"] == pytest.approx((0.0, 0.990585), abs=1e-6)
    plain = build_optimizer(nn.Linear(2, 2), OptimizerConfig(lr=0.002), lazy_interval=None)
    assert plain.param_groups[0]["lr"] == 0.002


def test_random_numbers_follow_from_their_key():
    cpu = torch.device("cpu")
    draw = [
        torch.rand(4, generator=seeded_rng(cpu, *key))
        for key in ((0, 32, 1, "G"), (0, 32, 1, "G"), (0, 32, 1, "D"), (0, 32, 2, "G"))
    ]
    assert draw[0].equal(draw[1])
    assert not draw[0].equal(draw[2])
    assert not draw[0].equal(draw[3])
