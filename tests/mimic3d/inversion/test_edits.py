import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from mimic3d.inversion.edits import interpolate_between, move_styles, transfer_layers


def pair(seed=0):
    rng = torch.Generator().manual_seed(seed)
    return torch.randn((1, 6, 8), generator=rng), torch.randn((1, 6, 8), generator=rng)


@given(seed=st.integers(0, 2**31), num=st.integers(2, 9))
def test_an_interpolation_ends_at_its_ends_and_is_straight(seed, num):
    start, end = pair(seed)
    way = interpolate_between(start, end, num)
    assert torch.equal(way[:1], start)
    assert torch.equal(way[-1:], end)
    lengths = way.diff(dim=0).flatten(1).norm(dim=1)
    assert_close(lengths, (end - start).norm().expand(num - 1) / (num - 1), atol=1e-5, rtol=1e-4)


def test_transfer_of_all_layers_is_the_other_and_of_none_is_the_base():
    base, donor = pair()
    assert torch.equal(transfer_layers(base, donor, slice(None)), donor)
    assert torch.equal(transfer_layers(base, donor, slice(0, 0)), base)


@pytest.mark.parametrize("cut", range(7))
def test_transfers_of_both_parts_complete_each_other(cut):
    base, donor = pair()
    first = transfer_layers(base, donor, slice(0, cut))
    assert torch.equal(transfer_layers(first, donor, slice(cut, None)), donor)
    assert torch.equal(first[:, cut:], base[:, cut:])
    assert torch.equal(transfer_layers(donor, base, slice(cut, None)), first)


def test_steps_move_the_chosen_layers_only_and_can_be_taken_back():
    ws, direction = pair()[0], torch.randn(8)
    steps = torch.tensor([2.0])
    moved = move_styles(ws, direction, steps, slice(1, 3))
    assert torch.equal(moved[:, [0, 3, 4, 5]], ws[:, [0, 3, 4, 5]])
    assert_close(moved[:, 1:3] - ws[:, 1:3], (2 * direction).expand(1, 2, 8))
    assert_close(move_styles(moved, direction, -steps, slice(1, 3)), ws)
    assert torch.equal(move_styles(ws, direction, torch.zeros(1)), ws)
