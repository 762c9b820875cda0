import math

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from mimic3d.cameras import Scene, orbit_cameras, position_angles
from mimic3d.preparation import gates
from mimic3d.preparation.gates import GatesConfig
from mimic3d.preparation.pose import PoseResult, whole_image

CFG = GatesConfig()
CENTER = (0.0, 0.0, 0.2)


def good_camera():
    cam2world = np.diag([1, -1, -1, 1]).astype(np.float32)
    cam2world[2, 3] = 2.7
    intrinsics = np.array([[4.26, 0, 0.5], [0, 4.26, 0.5], [0, 0, 1]], dtype=np.float32)
    return cam2world, intrinsics


def orbit_pose(yaw_deg, pitch_deg, crop=None, confidence=1.0):
    yaw, pitch = (torch.tensor([math.radians(angle)]) for angle in (yaw_deg, pitch_deg))
    camera = orbit_cameras(yaw, pitch, Scene())
    matrices = camera.cam2world[0].numpy(), camera.intrinsics[0].numpy()
    return PoseResult(*matrices, crop or whole_image(64, 64), confidence, 0.0)


def turned_square(degrees, side=64.0, middle=(100.0, 100.0)):
    """Corners of a crop whose content is turned clockwise in the photo."""
    turn = np.exp(1j * np.radians(degrees)) * side / 2
    corners = [complex(*middle) + turn * corner for corner in (-1 - 1j, 1 - 1j, 1 + 1j, -1 + 1j)]
    return tuple(float(value) for corner in corners for value in (corner.real, corner.imag))


def gate_of(reject):
    return None if reject is None else reject.gate


def test_a_camera_passes():
    assert gates.check_camera(*good_camera(), CFG) is None


@pytest.mark.parametrize(
    ("gate", "matrix", "index", "value"),
    [
        ("finite", 0, (0, 3), np.nan),
        ("finite", 1, (0, 0), np.inf),
        ("determinant", 0, (2, 2), 1),
        ("orthonormal", 0, (0, 1), 0.1),
        ("last_row", 0, (3, 0), 0.1),
        ("last_row", 1, (1, 0), 0.1),
        ("focal", 1, (1, 1), -4.26),
        ("principal_point", 1, (0, 2), 0.7),
        ("principal_point", 1, (1, 2), 0.3),
        ("origin", 0, (0, 3), 0.3),
        ("origin", 0, (2, 3), -2.7),
    ],
)
def test_what_is_no_camera_is_rejected_by_its_gate(gate, matrix, index, value):
    camera = good_camera()
    camera[matrix][index] = value
    assert gate_of(gates.check_camera(*camera, CFG)) == gate


def test_a_reject_names_value_and_threshold():
    cam2world, intrinsics = good_camera()
    intrinsics[0, 2] = 0.3
    reject = gates.check_camera(cam2world, intrinsics, CFG)
    assert reject is not None
    assert (reject.value, reject.threshold) == (pytest.approx(0.3), 0.4)


def test_the_origin_must_be_seen_with_a_margin():
    cam2world, intrinsics = good_camera()
    cam2world[0, 3] = 0.2  # the origin appears at 0.5 - 4.26 * 0.2 / 2.7 = 0.184
    assert gates.check_camera(cam2world, intrinsics, CFG) is None
    strict = CFG.model_copy(update={"origin_margin": 0.2})
    reject = gates.check_camera(cam2world, intrinsics, strict)
    assert reject is not None
    assert reject.value == pytest.approx(0.5 - 4.26 * 0.2 / 2.7, abs=1e-4)
    off = CFG.model_copy(update={"origin_margin": None})
    cam2world[0, 3] = 2
    assert gates.check_camera(cam2world, intrinsics, off) is None


def test_images_must_be_large_enough():
    assert gates.check_source(Image.new("RGB", (128, 64)), 64, CFG) is None
    reject = gates.check_source(Image.new("RGB", (128, 63)), 64, CFG)
    assert reject is not None
    assert (reject.gate, reject.value, reject.threshold) == ("min_side", 63, 64)
    off = CFG.model_copy(update={"min_side_ratio": None})
    assert gates.check_source(Image.new("RGB", (2, 2)), 64, off) is None


@pytest.mark.parametrize(
    ("yaw", "pitch", "crop", "gate"),
    [
        (79, 0, None, None),
        (-81, 0, None, "yaw"),
        (0, 59, None, None),
        (10, -61, None, "pitch"),
        (20, 10, turned_square(49), None),
    ],
)
def test_poses_out_of_range_are_rejected_by_their_gate(yaw, pitch, crop, gate):
    assert gate_of(gates.check_pose(orbit_pose(yaw, pitch, crop), CENTER, CFG)) == gate


def test_angles_agree_with_those_of_the_cameras():
    pose = orbit_pose(-33, 21)
    yaw, pitch = gates.position_angles(pose.cam2world, CENTER)
    camera = orbit_cameras(
        torch.tensor([math.radians(-33)]), torch.tensor([math.radians(21)]), Scene()
    )
    expected = position_angles(camera, CENTER)
    assert yaw == pytest.approx(float(expected[0]), abs=1e-5)
    assert pitch == pytest.approx(float(expected[1]), abs=1e-5)


@pytest.mark.parametrize("turn_deg", [0, 30, 90, 180])
def test_the_roll_is_that_left_in_the_crop_however_the_photo_lies(turn_deg):
    """Only the turn of the camera against its crop counts: clockwise in the image is positive."""
    pose = orbit_pose(0, 0, turned_square(turn_deg))
    assert math.degrees(gates.roll_in_crop(pose)) == pytest.approx(0, abs=1e-4)
    for roll_deg, gate in ((49, None), (-49, None), (51, "roll"), (-51, "roll"), (180, "roll")):
        turn = math.radians(roll_deg)  # the camera turned counter-clockwise
        cos, sin = math.cos(turn), math.sin(turn)
        rolled = pose.cam2world.copy()
        rolled[:3, :2] = rolled[:3, :2] @ np.array([[cos, sin], [-sin, cos]], dtype=np.float32)
        leaning = PoseResult(rolled, pose.intrinsics, pose.crop, 1.0, 0.0)
        assert abs(math.degrees(gates.roll_in_crop(leaning))) == pytest.approx(
            abs(roll_deg), abs=1e-3
        )
        assert gate_of(gates.check_pose(leaning, CENTER, CFG)) == gate
    up = (rolled[1, 0], rolled[1, 1])
    assert up[1] > 0  # upside down at last


@pytest.mark.parametrize(
    ("pose", "gate"),
    [
        (orbit_pose(0, 0, turned_square(20, 64), 0.51), None),
        (orbit_pose(0, 0, turned_square(20, 64), 0.49), "confidence"),
        (orbit_pose(0, 0, turned_square(20, 31)), "upscaling"),
        (orbit_pose(0, 0, turned_square(0, 64, (32 - 6.3, 100))), None),
        (orbit_pose(0, 0, turned_square(0, 64, (32 - 13.0, 100))), "padded"),
    ],
)
def test_crops_without_substance_are_rejected_by_their_gate(pose, gate):
    assert gate_of(gates.check_crop(pose, (200, 200), 64, CFG)) == gate


def natural(side, seed=0):
    """An image whose amplitudes fall as 1 / frequency, as those of photos do (Field 1987)."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(side), np.fft.fftfreq(side)))
    frequency[0, 0] = np.inf
    waves = np.fft.fft2(rng.normal(size=(side, side))) / frequency
    grey = np.fft.ifft2(waves).real
    grey = 128 + 40 * grey / grey.std()
    return Image.fromarray(np.clip(np.rint(grey), 0, 255).astype(np.uint8)).convert("RGB")


@pytest.mark.parametrize("side", [64, 256])
def test_blurred_and_enlarged_crops_are_rejected_at_any_resolution(side):
    sharp = natural(side)
    blurred = sharp.filter(ImageFilter.GaussianBlur(3))
    enlarged = natural(side // 8).resize((side, side), Image.Resampling.BICUBIC)
    assert gates.check_sharpness(np.asarray(sharp), CFG) is None
    for image in (blurred, enlarged, Image.new("RGB", (side, side))):
        assert gate_of(gates.check_sharpness(np.asarray(image), CFG)) == "blur"
    off = CFG.model_copy(update={"min_sharpness": None})
    assert gates.check_sharpness(np.asarray(blurred), off) is None


def test_sharpness_is_the_variance_of_the_laplacian_against_the_contrast():
    rng = np.random.default_rng(1)
    grey = rng.integers(0, 256, (20, 20))
    pixels = np.repeat(grey[..., None], 3, axis=2).astype(np.uint8)
    middle = grey[5:16, 5:16]
    laplacian = [
        4 * middle[y, x] - middle[y - 1, x] - middle[y + 1, x] - middle[y, x - 1] - middle[y, x + 1]
        for y in range(1, 10)
        for x in range(1, 10)
    ]
    expected = 45**2 * (np.var(laplacian) - 20 * 0.75**2) / (middle.var() + 5**2)
    assert gates.sharpness(pixels) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("sigma", [0.0, 0.5, 3.0])
def test_neither_light_nor_skin_nor_background_changes_the_verdict(sigma):
    """Half the exposure, a quarter of the contrast on a dark ground, a black wall around it."""
    face = natural(128, seed=2).filter(ImageFilter.GaussianBlur(sigma))
    pixels = np.asarray(face).astype(float)
    walled = np.zeros_like(pixels)
    walled[24:110, 24:110] = pixels[24:110, 24:110]
    verdicts = {
        gates.check_sharpness(np.rint(view).astype(np.uint8), CFG) is None
        for view in (pixels, pixels / 2, 20 + pixels / 4, walled)
    }
    assert verdicts == {sigma < 2}


def test_noise_on_a_flat_ground_is_not_sharp():
    noise = np.random.default_rng(3).normal(40, 0.5, (128, 128, 1)).repeat(3, axis=2)
    assert gate_of(gates.check_sharpness(np.rint(noise).astype(np.uint8), CFG)) == "blur"
