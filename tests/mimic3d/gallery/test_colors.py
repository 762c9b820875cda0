import pytest
import torch

from mimic3d.gallery.colors import color_depth, color_normals, depth_limits


def test_depth_colours_rise_in_lightness_towards_the_viewer():
    depth = torch.linspace(2.0, 3.0, 33).reshape(1, 1, 1, 33)
    colors = color_depth(depth, near=2.0, far=3.0)
    luma = (colors[0, :, 0] / 2 + 0.5).T @ torch.tensor([0.2126, 0.7152, 0.0722])
    assert (luma.diff() < 0).all()
    outside = color_depth(torch.tensor([1.0, 9.0]).reshape(1, 1, 1, 2), near=2.0, far=3.0)
    torch.testing.assert_close(outside[..., 0], colors[..., 0])
    torch.testing.assert_close(outside[..., 1], colors[..., -1])


def test_a_flat_depth_map_has_a_colour():
    assert color_depth(torch.full((1, 1, 2, 2), 2.5), near=2.5, far=2.5).isfinite().all()


def test_depth_limits_ignore_what_is_empty():
    depth, alpha = torch.full((1, 1, 8, 8), 3.3), torch.zeros(1, 1, 8, 8)
    assert depth_limits(depth, alpha) == pytest.approx((3.3, 3.3))
    depth[..., :4] = torch.linspace(2.5, 2.7, 4)
    alpha[..., :4] = 1
    assert depth_limits(depth, alpha) == pytest.approx((2.5, 2.7))


def test_normals_have_the_usual_colours_and_empty_space_is_white():
    normals = torch.tensor([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]]).T.reshape(1, 3, 1, 3)
    colors = color_normals(normals, torch.ones(1, 1, 1, 3))
    bytes_ = ((colors + 1) * 127.5).round()[0, :, 0].T.tolist()
    assert bytes_ == [[128, 128, 255], [255, 128, 128], [128, 255, 128]]  # blue, red, green
    assert (color_normals(normals, torch.zeros(1, 1, 1, 3)) == 1).all()
