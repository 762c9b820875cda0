import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mimic3d.preparation.cameras.colmap import read_colmap
from mimic3d.preparation.cameras.colmap_files import read_camera_records, read_image_records
from mimic3d.preparation.lens import distort, distort_pixels, undistorted_crop, undistorted_square
from mimic3d.preparation.pose import Distortion, Lens
from mimic3d.preparation.sources.crop import cut_out
from mimic3d.preparation.sources.given import source_lens

# Where COLMAP images the direction (0.3, -0.2, 1): pycolmap 4.2, Camera.img_from_cam, 640 x 480.
COLMAP = [
    ("SIMPLE_RADIAL", [500, 320, 240, 0.1], [471.95, 138.7]),
    ("RADIAL", [500, 320, 240, 0.1, -0.05], [471.82325, 138.7845]),
    ("OPENCV", [500, 510, 320, 240, -0.2, 0.05, 0.001, -0.002], [465.85675, 140.79531]),
    ("OPENCV_FISHEYE", [300, 310, 320, 240, 0.02, -0.01, 0.003, -0.001], [406.57345, 180.360512]),
    (
        "FULL_OPENCV",
        [500, 510, 320, 240, -0.2, 0.05, 0.001, -0.002, 0.01, 0.02, 0.03, 0.004],
        [465.405839, 141.10193],
    ),
    ("FOV", [300, 310, 320, 240, 0.9], [412.965426, 175.957151]),
    ("SIMPLE_RADIAL_FISHEYE", [300, 320, 240, 0.02], [406.585409, 182.276394]),
    ("RADIAL_FISHEYE", [300, 320, 240, 0.02, -0.01], [406.573023, 182.284651]),
    (
        "THIN_PRISM_FISHEYE",
        [300, 310, 320, 240, 0.02, -0.01, 0.001, -0.002, 0.003, -0.001, 0.002, -0.003],
        [406.440805, 180.377645],
    ),
    ("SIMPLE_DIVISION", [500, 320, 240, -0.1], [468.09911, 141.26726]),
    ("DIVISION", [500, 510, 320, 240, -0.1], [468.09911, 139.292605]),
    ("SIMPLE_FISHEYE", [300, 320, 240], [406.378535, 182.41431]),
    ("FISHEYE", [300, 310, 320, 240], [406.378535, 180.494787]),
]
BARREL = Distortion(radial=(-0.25, 0.06, 0.0, 0.0), tangential=(0.002, -0.001))


@pytest.mark.parametrize(("model", "params", "expected"), COLMAP)
def test_a_lens_images_a_direction_where_colmap_does(model, params, expected):
    line = f"1 {model} 640 480 {' '.join(map(str, params))}"
    table, _ = read_colmap(
        read_camera_records(line.encode(), "cameras.txt"),
        read_image_records(b"1 1 0 0 0 0 0 0 1 a.png", "images.txt"),
        "",
        lambda name: name,
    )
    lens = source_lens(table.distortions[0], (640, 480), table.intrinsics[0])
    assert lens is not None
    ideal = np.array([[0.3, -0.2]]) * lens.focal + lens.center
    np.testing.assert_allclose(distort_pixels(lens, ideal)[0], expected, atol=1e-5)


@settings(max_examples=20, deadline=None)
@given(
    k1=st.floats(-0.3, 0.3), k2=st.floats(-0.1, 0.1), is_fisheye=st.booleans(),
    seed=st.integers(0, 999),
)  # fmt: skip
def test_a_crop_lies_within_the_photo_whatever_the_lens(k1, k2, is_fisheye, seed):
    rng = np.random.default_rng(seed)
    kind = "fisheye" if is_fisheye else "perspective"
    width, height = rng.integers(200, 400, 2).tolist()
    center = (width * rng.uniform(0.45, 0.55), height * rng.uniform(0.45, 0.55))
    focal = width * rng.uniform(0.4, 1.5)
    lens = Lens(Distortion(kind, (k1, k2, 0.0, 0.0)), (focal, focal), center)
    corners, scale = undistorted_square(width, height, lens)
    if scale == 0:
        return
    square = np.array(corners).reshape(4, 2)
    along = np.linspace(0, 1, 50)[:, None]
    sides = zip(square, np.roll(square, -1, 0), strict=True)
    border = np.concatenate([one + along * (other - one) for one, other in sides])
    mapped = distort_pixels(lens, border)
    assert (mapped > -0.5).all()
    assert (mapped < [width + 0.5, height + 0.5]).all()


def test_no_distortion_is_the_plain_crop():
    lens = Lens(Distortion(), (300.0, 300.0), (150.0, 100.0))
    corners, scale = undistorted_square(300, 200, lens)
    assert (corners, scale) == ((50, 0, 250, 0, 250, 200, 50, 200), 1.0)
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 256, (200, 300, 3), dtype=np.uint8))
    same = undistorted_crop(image, corners, lens, 200)
    difference = same.astype(int) - cut_out(image, corners, 200)
    assert np.abs(difference).max() <= 1


def test_a_lens_that_folds_the_image_leaves_nothing():
    """Coefficients of a failed calibration."""
    lens = Lens(Distortion(radial=(-4.0, 0.0, 0.0, 0.0)), (300.0, 300.0), (150.0, 150.0))
    assert undistorted_square(300, 300, lens)[1] < 0.5


def photo_of(texture, lens, size, oversample):
    """A photo of a plane of smooth texture through a lens, by inversion in many small steps."""
    rows, columns = np.mgrid[: size * oversample, : size * oversample]
    positions = (np.stack([columns, rows], -1) + 0.5) / oversample
    target = (positions - lens.center) / np.array(lens.focal)
    ideal = target
    for _ in range(20):
        ideal = ideal + target - distort(lens.distortion, ideal)
    colors = texture(ideal)
    shape = (size, oversample, size, oversample, 3)
    return Image.fromarray(colors.reshape(shape).mean((1, 3)).round().astype(np.uint8))


def waves(points):
    x, y = points[..., 0] * 15, points[..., 1] * 15
    return 128 + 50 * np.stack([np.sin(x), np.sin(y + 0.5 * x), np.sin(x - y)], axis=-1)


@pytest.mark.parametrize(
    ("distortion", "focal"), [(BARREL, 260.0), (Distortion("fisheye", (0.02, 0, 0, 0)), 150.0)]
)
@pytest.mark.parametrize("resolution", [64, 128])
def test_an_undistorted_crop_is_what_a_pinhole_camera_sees(distortion, focal, resolution):
    """Against a supersampled pinhole image of the same plane."""
    lens = Lens(distortion, (focal, focal), (130.0, 125.0))
    photo = photo_of(waves, lens, 256, 2)
    corners, scale = undistorted_square(256, 256, lens)
    assert scale == 1
    crop = undistorted_crop(photo, corners, lens, resolution)
    steps = (np.arange(resolution * 4) + 0.5) / 4 / resolution * 256
    ideal = (np.stack(np.meshgrid(steps, steps), -1) - lens.center) / focal
    expected = waves(ideal).reshape(resolution, 4, resolution, 4, 3).mean((1, 3))
    error = np.abs(crop.astype(float) - expected)
    assert 10 * np.log10(255**2 / (error**2).mean()) > 38
