import numpy as np
import pytest
from PIL import Image

from mimic3d.preparation.poses.image_pyramid import ImagePyramid, Window

pytest.importorskip("cv2", reason="windows are cut by OpenCV, of the extra `pose`")


def waves(place):
    """A smooth picture at places x + iy, pixels."""
    x, y = np.real(place) / 40, np.imag(place) / 40
    channels = (np.sin(3 * x + y), np.cos(2 * y - x), np.sin(x * y / 2))
    return np.stack(channels, axis=-1) * 100 + 128


def middles(width, height):
    return (np.arange(width) + 0.5)[None, :] + 1j * (np.arange(height) + 0.5)[:, None]


@pytest.fixture
def picture():
    return ImagePyramid(Image.fromarray(waves(middles(150, 101)).astype(np.uint8)))


@pytest.mark.parametrize(
    ("scale", "middle", "size"),
    [
        (32, 40 + 50j, 32),
        (30.0 * np.exp(0.7j), 75 + 50j, 24),
        (40 * np.exp(-2j), 70 + 45.5j, 16),
        (64, 75 + 50j, 16),
        (80, 75 + 50j, 11),
    ],
)
def test_every_pixel_shows_its_place(picture, scale, middle, size):
    """Oracle: the picture's formula at the middles of the window's pixels."""
    window = picture.cut(Window(scale, middle), size)
    places = scale * (middles(size, size) / size - 0.5 - 0.5j) + middle
    error = np.abs(window - waves(places))
    assert error.max() < 8
    assert error.mean() < 2


def test_a_window_of_whole_pixels_is_a_copy():
    noise = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    picture = ImagePyramid(Image.fromarray(noise))
    assert (picture.cut(Window(16, 28 + 18j), 16) == noise[10:26, 20:36]).all()
    assert (picture.cut(Window(16j, 28 + 18j), 16) == np.rot90(noise[10:26, 20:36])).all()
    assert (picture.cut(Window(16, 98 + 18j), 16) == 0).all()


def test_a_small_window_of_fine_stripes_is_grey():
    stripes = np.tile(np.arange(512) % 2 * 255, (512, 1)).astype(np.uint8)
    picture = ImagePyramid(Image.fromarray(np.repeat(stripes[..., None], 3, axis=2)))
    window = picture.cut(Window(480, 256 + 256j), 32)
    assert np.abs(window.astype(int) - 127.5).max() < 10


def test_a_window_in_a_window(picture):
    outer = Window(80 * np.exp(0.3j), 75 + 50j)
    inner = outer.inner(0.5 * np.exp(0.2j), 0.1 - 0.05j)
    assert inner.scale == pytest.approx(40 * np.exp(0.5j))
    assert inner.middle == pytest.approx(80 * np.exp(0.3j) * (0.1 - 0.05j) + 75 + 50j)
