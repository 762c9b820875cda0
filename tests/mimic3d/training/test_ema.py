import pytest
import torch
from torch import nn
from torch.testing import assert_close

from mimic3d.training.ema import EmaConfig, ema_beta, update_ema


def test_beta_of_the_authors_settings():
    cfg = EmaConfig(rampup=None)
    assert ema_beta(10**6, 32, cfg) == pytest.approx(0.997784, abs=1e-6)
    assert ema_beta(10**6, 8, cfg) == pytest.approx(0.997784, abs=1e-6)  # half-life by batch
    assert ema_beta(10**6, 8, EmaConfig(half_life_kimg=10)) == pytest.approx(0.5 ** (8 / 10000))
    young = EmaConfig()
    assert ema_beta(0, 32, young) == 0  # the first step forgets the initialisation
    assert ema_beta(3200, 32, young) == pytest.approx(0.5 ** (32 / 160))
    assert ema_beta(10**6, 32, young) == ema_beta(10**6, 32, cfg)


def test_average_moves_and_buffers_are_copied():
    average, network = nn.BatchNorm1d(3), nn.BatchNorm1d(3)
    with torch.no_grad():
        network.weight.fill_(2.0)
        network.running_mean.fill_(7.0)
    update_ema(average, network, beta=0.75)
    assert_close(average.weight, torch.full((3,), 1.25))
    assert average.running_mean.equal(torch.full((3,), 7.0))
