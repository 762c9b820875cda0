import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from scipy.ndimage import map_coordinates

from mimic3d.preparation.warp import crop_image, padded_share

SIZE = (90, 60)


def smooth(width, height):
    """A picture without sharp edges, of three different channels."""
    x, y = np.meshgrid((np.arange(width) + 0.5) / 90, (np.arange(height) + 0.5) / 90)
    waves = (np.sin(9 * x + 2 * y), np.cos(7 * y - 3 * x), np.sin(5 * x * y + 1))
    return (np.stack(waves, axis=-1) * 100 + 128).astype(np.uint8)


def square(x, y, side, turn=0.0):
    """Corners of a square about a middle."""
    q = side * np.exp(1j * turn) * np.array([-0.5 - 0.5j, 0.5 - 0.5j, 0.5 + 0.5j, -0.5 + 0.5j])
    return tuple(np.stack([q.real + x, q.imag + y], axis=1).ravel().tolist())


@pytest.fixture
def photo():
    return Image.fromarray(smooth(*SIZE))


def test_a_crop_of_whole_pixels_is_a_copy():
    noise = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    photo = Image.fromarray(noise)
    assert (crop_image(photo, (20, 10, 52, 10, 52, 42, 20, 42), 32) == noise[10:42, 20:52]).all()


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_turned_crop_is_upright(quarters):
    noise = np.random.default_rng(1).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    corners = np.array([20, 10, 52, 10, 52, 42, 20, 42]).reshape(4, 2)
    turned = tuple(np.roll(corners, -quarters, axis=0).ravel().tolist())
    expected = np.rot90(noise[10:42, 20:52], quarters)
    assert (crop_image(Image.fromarray(noise), turned, 32) == expected).all()


@pytest.mark.parametrize(("side", "turn"), [(24, 0.5), (32, -2.0), (40, 0.1)])
def test_every_pixel_shows_its_place(photo, side, turn):
    """Oracle: the picture's formula at the middles of the crop's pixels."""
    size = 16
    crop = crop_image(photo, square(45, 30, side, turn), size)
    q = (np.arange(size) + 0.5) / size - 0.5
    place = side * np.exp(1j * turn) * (q[None, :] + 1j * q[:, None]) + 45 + 30j
    x, y = place.real / 90, place.imag / 90
    waves = (np.sin(9 * x + 2 * y), np.cos(7 * y - 3 * x), np.sin(5 * x * y + 1))
    assert np.abs(crop - (np.stack(waves, axis=-1) * 100 + 127.5)).max() < 4
    assert np.abs(crop - (np.stack(waves, axis=-1) * 100 + 127.5)).mean() < 0.8


@pytest.mark.parametrize("factor", [2, 3, 8, 20])
def test_a_reduced_crop_does_not_alias(factor):
    """Stripes finer than the pixels become grey; broad ones stay."""
    size = 16
    width = size * factor
    fine = np.tile(np.arange(width) % 2 * 255, (width, 1)).astype(np.uint8)
    broad = np.tile((np.arange(width) * 4 // width) % 2 * 255, (width, 1)).astype(np.uint8)
    for stripes, spread in ((fine, 25), (broad, 125)):
        photo = Image.fromarray(np.repeat(stripes[..., None], 3, axis=2))
        crop = crop_image(photo, (0, 0, width, 0, width, width, 0, width), size)
        assert crop.mean() == pytest.approx(127.5, abs=6)
        assert abs(float(crop.std()) - (0 if spread == 25 else spread)) < 25


def test_outside_the_photo_its_mirror_image_continues(photo):
    pixels = np.asarray(photo)
    crop = crop_image(photo, (-20, 10, 20, 10, 20, 50, -20, 50), 40)
    assert (crop[:, 20:] == pixels[10:50, :20]).all()
    assert (crop[:, :20] == pixels[10:50, :20][:, ::-1]).all()
    far = crop_image(photo, (900, 600, 932, 600, 932, 632, 900, 632), 32)
    assert (far == pixels[:32, :32]).all()  # 10 widths and heights away it repeats


@settings(deadline=None, max_examples=15)
@given(
    x=st.floats(-20, 110), y=st.floats(-20, 80), side=st.floats(10, 90), turn=st.floats(-3.1, 3.1)
)
def test_the_crop_of_a_mirrored_photo_is_the_mirrored_crop(x, y, side, turn):
    photo = Image.fromarray(smooth(*SIZE))
    one = crop_image(photo, square(x, y, side, turn), 24)
    corners = np.array(square(x, y, side, turn)).reshape(4, 2)[[1, 0, 3, 2]] * [-1, 1] + [90, 0]
    other = crop_image(ImageOps.mirror(photo), tuple(corners.ravel().tolist()), 24)
    assert np.abs(other[:, ::-1].astype(int) - one).max() <= 3


@settings(deadline=None, max_examples=25)
@given(
    x=st.floats(-60, 150), y=st.floats(-60, 120), side=st.floats(5, 150), turn=st.floats(-3.1, 3.1)
)
def test_the_padded_share_is_what_lies_outside(x, y, side, turn):
    """Oracle: count points of a grid in the crop."""
    q = (np.arange(200) + 0.5) / 200 - 0.5
    place = side * np.exp(1j * turn) * (q[None, :] + 1j * q[:, None]) + x + 1j * y
    inside = (place.real > 0) & (place.real < 90) & (place.imag > 0) & (place.imag < 60)
    share = padded_share(square(x, y, side, turn), SIZE)
    assert share == pytest.approx(1 - inside.mean(), abs=0.01)


def test_crops_inside_and_outside():
    assert padded_share(square(45, 30, 40, 0.5), SIZE) == 0
    assert padded_share(square(200, 30, 40, 0.5), SIZE) == 1
    assert padded_share(square(0, 30, 40), SIZE) == pytest.approx(0.5)
    assert padded_share(square(0, 0, 40), SIZE) == pytest.approx(0.75)


def natural(side, seed=0):
    """A picture whose amplitudes fall as 1 / frequency, as those of photos do (Field 1987)."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(side), np.fft.fftfreq(side)))
    frequency[0, 0] = np.inf
    waves = np.fft.ifft2(np.fft.fft2(rng.normal(size=(side, side))) / frequency).real
    return np.clip(np.rint(128 + 40 * waves / waves.std()), 0, 255).astype(np.uint8)


def psnr(one, other):
    return 10 * np.log10(255**2 / np.square(one.astype(float) - other).mean())


@pytest.mark.parametrize("turn", [0.0, 0.2, 2.5])
@pytest.mark.parametrize("ratio", [0.8, 1.0, 1.37, 1.9, 2.6, 5.3])
def test_a_crop_is_as_good_as_one_sampled_many_times_per_pixel(ratio, turn):
    """Oracle: means over 8 x 8 samples of a cubic spline per pixel of the crop."""
    size, times = 48, 8
    grey = natural(400)
    corners = square(200.3, 198.8, ratio * size, turn)
    crop = crop_image(Image.fromarray(grey).convert("RGB"), corners, size)[..., 0]
    q = (np.arange(size * times) + 0.5) / (size * times) - 0.5
    place = ratio * size * np.exp(1j * turn) * (q[None, :] + 1j * q[:, None]) + 200.3 + 198.8j
    samples = map_coordinates(grey.astype(float), [place.imag - 0.5, place.real - 0.5], order=3)
    oracle = samples.reshape(size, times, size, times).mean(axis=(1, 3))
    nearest = grey[np.floor(place.imag).astype(int), np.floor(place.real).astype(int)]
    coarse = nearest[times // 2 :: times, times // 2 :: times]
    assert psnr(crop, oracle) > 34
    assert psnr(crop, oracle) > psnr(coarse, oracle) + 4
