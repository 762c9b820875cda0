import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from mimic3d.training.wavelets import PEAK, SYM6, amplify_bands, band_filters, warp


def test_bands_sum_to_the_identity_and_share_out_the_frequencies():
    filters = band_filters()
    identity = np.zeros(43)
    identity[21] = 1
    np.testing.assert_allclose(filters.sum(axis=0), identity, atol=1e-12)
    response = np.abs(np.fft.rfft(filters, 1024))  # 512 is half the sampling rate
    centres = [0, 96, 192, 512]
    assert response[:, centres].argmax(axis=0).tolist() == [0, 1, 2, 3]


def identity(num: int = 1, dtype=torch.float32):
    return torch.eye(2, dtype=dtype).expand(num, 2, 2), torch.zeros(num, 2, dtype=dtype)


@settings(deadline=None, max_examples=20)
@given(st.integers(2, 20), st.integers(2, 20))
def test_an_image_that_does_not_move_is_reconstructed(h, w):
    images = torch.randn(1, 2, h, w)
    assert_close(warp(images, *identity()), images)


@settings(deadline=None, max_examples=20)
@given(st.integers(-30, 30), st.integers(-30, 30))
def test_whole_pixels_move_exactly_into_the_mirrored_plane(right, down):
    images = torch.randn(1, 2, 9, 7)
    linear, offset = identity()
    moved = warp(images, linear, offset + torch.tensor([right, down]))
    pad = ((0, 0), (0, 0), (30, 30), (30, 30))
    plane = torch.from_numpy(np.pad(images.numpy(), pad, mode="reflect"))
    assert_close(moved, plane[:, :, 30 + down : 39 + down, 30 + right : 37 + right])


def slow_warp(image: np.ndarray, linear: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """Upsampled with zeros filled in, looked up and downsampled, point by point."""
    far, (h, w) = 60, image.shape
    plane = np.zeros((2 * (h + 2 * far), 2 * (w + 2 * far)))
    plane[::2, ::2] = np.pad(image, far, mode="reflect")
    for axis in (0, 1):
        plane = np.apply_along_axis(lambda line: np.convolve(line, 2 * SYM6), axis, plane)

    def look_up(y: float, x: float) -> float:
        i, j = int(np.floor(y)), int(np.floor(x))
        u, v = np.array([1 - (y - i), y - i]), np.array([1 - (x - j), x - j])
        i, j = i + 2 * far + PEAK, j + 2 * far + PEAK
        return float(u @ plane[i : i + 2, j : j + 2] @ v)

    result = np.zeros((h, w))
    for row, column in np.ndindex(h, w):
        for s, t in np.ndindex(len(SYM6), len(SYM6)):
            y, x = 2 * row + s - PEAK - (h - 1), 2 * column + t - PEAK - (w - 1)
            x, y = linear @ (x, y) + 2 * offset
            result[row, column] += SYM6[s] * SYM6[t] * look_up(y + h - 1, x + w - 1)
    return result


@pytest.mark.parametrize("seed", range(3))
def test_warp_is_the_slow_one(seed):
    rng = np.random.default_rng(seed)
    image, linear, offset = rng.normal(size=(5, 4)), rng.normal(size=(2, 2)), rng.normal(size=2) * 3
    ours = warp(
        torch.from_numpy(image)[None, None],
        torch.from_numpy(linear)[None],
        torch.from_numpy(offset)[None],
    )
    np.testing.assert_allclose(ours[0, 0], slow_warp(image, linear, offset), atol=1e-10)


def test_images_are_warped_one_by_one():
    images, linear = torch.randn(3, 2, 8, 8), torch.randn(3, 2, 2)
    offset = torch.randn(3, 2)
    together = warp(images, linear, offset)
    for k in range(3):
        alone = warp(images[k : k + 1], linear[k : k + 1], offset[k : k + 1])
        assert_close(together[k : k + 1], alone, atol=1e-5, rtol=1e-5)


def test_gains_of_1_change_nothing_and_equal_gains_multiply_along_both_axes():
    images = torch.randn(2, 3, 8, 30)
    assert_close(amplify_bands(images, torch.ones(2, 4)), images, atol=1e-5, rtol=1e-5)
    assert_close(amplify_bands(images, torch.full((2, 4), 3.0)), 9 * images, atol=1e-5, rtol=1e-5)
