import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mimic3d.training.sampler import draw_indices

SIZE = st.integers(1, 40)
SEED = st.integers(0, 2**31)


@settings(deadline=None, max_examples=40)
@given(size=SIZE, seed=SEED, epoch=st.integers(0, 50))
def test_every_epoch_is_a_permutation(size, seed, epoch):
    drawn = draw_indices(size, seed, epoch * size, size)
    assert sorted(drawn.tolist()) == list(range(size))


@settings(deadline=None, max_examples=40)
@given(size=SIZE, seed=SEED, start=st.integers(0, 200), num=st.integers(0, 100), data=st.data())
def test_the_order_can_start_anywhere(size, seed, start, num, data):
    weights = data.draw(st.sampled_from([None, torch.rand(size) + 0.01]))
    whole = draw_indices(size, seed, 0, start + num, weights)
    assert draw_indices(size, seed, start, num, weights).tolist() == whole[start:].tolist()


def test_epochs_and_seeds_have_orders_of_their_own():
    epochs = [draw_indices(50, 7, epoch * 50, 50).tolist() for epoch in range(5)]
    seeds = [draw_indices(50, seed, 0, 50).tolist() for seed in range(5)]
    assert len({tuple(order) for order in epochs + seeds}) == 10


def test_weighted_draws_have_the_frequencies_of_the_weights():
    weights = torch.tensor([0.0, 1.0, 2.0, 5.0, 0.0])
    drawn = draw_indices(5, 3, 10, 20_000, weights).numpy()
    found = np.bincount(drawn, minlength=5) / len(drawn)
    expected = weights.numpy() / 8
    sigma = np.sqrt(expected * (1 - expected) / len(drawn))
    assert (np.abs(found - expected) <= 4 * sigma).all()


def test_weighted_draws_depend_on_the_seed():
    weights = torch.ones(1000)
    a, b = draw_indices(1000, 0, 0, 50, weights), draw_indices(1000, 1, 0, 50, weights)
    assert not torch.equal(a, b)


def test_nothing_to_draw_from_is_an_error():
    with pytest.raises(ValueError, match="without images"):
        draw_indices(0, 0, 0, 1)
    with pytest.raises(ValueError, match="positive sum"):
        draw_indices(2, 0, 0, 1, torch.zeros(2))
    with pytest.raises(ValueError, match="must not be negative"):
        draw_indices(2, 0, 0, 1, torch.tensor([2.0, -1.0]))
