import torch
from torch.testing import assert_close

from mimic3d.rendering.triplane import sample_planes


def ramp_plane(axis: int) -> torch.Tensor:
    """One channel that grows by 1 per unit along columns (axis 0) or rows (axis 1)."""
    steps = (torch.arange(64) + 0.5) / 32 - 1
    return (steps if axis == 0 else steps[:, None]).expand(1, 64, 64)


def test_each_plane_reads_its_own_two_axes():
    point = torch.tensor([[[0.1, -0.3, 0.6]]])
    expected = ((0.1, -0.3), (-0.3, 0.6), (0.6, 0.1))  # (column, row) of xy, yz, zx
    for plane, pair in enumerate(expected):
        for axis, value in enumerate(pair):
            planes = torch.zeros(1, 3, 1, 64, 64)
            planes[:, plane] = ramp_plane(axis)
            got = sample_planes((planes,), point)
            assert_close(got.item(), value / 3, atol=1e-6, rtol=0)


def test_moving_along_any_axis_changes_exactly_two_planes():
    planes = torch.randn(1, 3, 4, 16, 16)
    for axis in range(3):
        step = torch.zeros(3)
        step[axis] = 0.3
        changed = []
        for plane in range(3):
            only = torch.zeros_like(planes)
            only[:, plane] = planes[:, plane]
            here, there = sample_planes((only,), torch.stack([-step, step])[None]).unbind(1)
            changed.append(bool((here - there).abs().max() > 1e-6))
        assert sum(changed) == 2


def test_levels_add_and_outside_is_zero():
    coarse, detail = torch.randn(2, 3, 5, 8, 8), torch.randn(2, 3, 5, 16, 16)
    points = torch.rand(2, 30, 3) * 2 - 1
    both = sample_planes((coarse, detail), points)
    assert_close(both, sample_planes((coarse,), points) + sample_planes((detail,), points))
    assert not sample_planes((coarse,), torch.full((2, 1, 3), 1.5)).any()
