from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from mimic3d.preparation.pose import PoseResult, Reject, whole_image
from mimic3d.preparation.poses.landmark_table import read_landmarks
from mimic3d.preparation.poses.landmarks import LandmarkConfig, LandmarkPoses, build_template
from mimic3d.preparation.poses.lookat import look_at

PHOTO = Image.new("RGB", (900, 700))
LANDMARKS = LandmarkConfig()
ALIGNED = LandmarkConfig(crop="none")


@pytest.fixture
def scenes(world, animal):
    """Angles of eight cameras and a table of what they see."""
    angles = world.draw_angles(8, np.random.default_rng(0))
    pixels = world.see(animal.points, angles, animal.orbit, side_px=300, turn_rad=0.4)
    return angles, world.tabulate(animal, pixels)


def test_cameras_and_crops_are_those_the_landmarks_were_made_with(scenes, animal):
    angles, table = scenes
    poses = LandmarkPoses(LANDMARKS, table, animal)
    cameras = look_at(angles, animal.orbit)
    for row, image in enumerate(table.images):
        pose = poses.estimate(PHOTO, image)
        assert isinstance(pose, PoseResult)
        assert np.abs(pose.cam2world - cameras[row]).max() < 1e-6
        corners = np.array(pose.crop).reshape(4, 2)
        assert np.hypot(*(corners[1] - corners[0])) == pytest.approx(300)
        assert corners.mean(axis=0) == pytest.approx([150, 150])
        assert np.arctan2(*(corners[1] - corners[0])[::-1]) == pytest.approx(0.4)
        assert pose.reproj_px == pytest.approx(0, abs=1e-6)
        assert pose.confidence == 1
        assert pose.landmarks is not None
        assert pose.landmarks == pytest.approx(table.positions[row], abs=1e-3)


def test_images_are_matched_by_id_and_never_by_order(scenes, animal, tmp_path):
    _, table = scenes
    rows = [
        f"{image},{name},{x!r},{y!r}"
        for image, points in zip(table.images, table.positions.tolist(), strict=True)
        for name, (x, y) in zip(table.names, points, strict=True)
    ]
    path = tmp_path / "landmarks.csv"
    shuffled = np.random.default_rng(1).permutation(rows).tolist()
    path.write_text("\n".join(["image,name,x,y", *shuffled]))
    poses = LandmarkPoses(LANDMARKS, table, animal)
    others = LandmarkPoses(LANDMARKS, read_landmarks(path), animal)
    for image in table.images:
        one, other = poses.estimate(PHOTO, image), others.estimate(PHOTO, image)
        assert isinstance(one, PoseResult)
        assert isinstance(other, PoseResult)
        assert np.abs(one.cam2world - other.cam2world).max() < 1e-6


def test_bad_landmarks_are_rejected_by_their_gate(scenes, animal):
    _, table = scenes
    table.weights[0, 3:] = 0
    table.positions[1] *= 0.05
    table.positions[2] = table.positions[2, ::-1]
    poses = LandmarkPoses(LANDMARKS, table, animal)
    assert poses.estimate(PHOTO, "other.png") == Reject("no_landmarks", 0, 4)
    assert poses.estimate(PHOTO, "0000.png") == Reject("num_landmarks", 3, 4)
    small = poses.estimate(PHOTO, "0001.png")
    assert isinstance(small, Reject)
    assert small.gate == "extent"
    assert small.value < 25 == small.threshold
    wrong = poses.estimate(PHOTO, "0002.png")
    assert isinstance(wrong, Reject)
    assert wrong.gate == "reprojection"
    assert wrong.value > 0.05 == wrong.threshold


def test_a_missing_landmark_and_trust_are_taken_into_account(scenes, animal):
    angles, table = scenes
    table.weights[0] = 0.5
    table.weights[0, 2] = 0
    table.positions[0, 2] = 1e5
    pose = LandmarkPoses(LANDMARKS, table, animal).estimate(PHOTO, "0000.png")
    assert isinstance(pose, PoseResult)
    assert np.abs(pose.cam2world - look_at(angles[:1], animal.orbit)[0]).max() < 1e-6
    assert pose.confidence == 0.5
    assert pose.landmarks is not None
    assert len(pose.landmarks) == len(animal.names) - 1


def test_aligned_images_stay_whole_and_keep_their_roll(world, animal):
    angles = world.draw_angles(4, np.random.default_rng(2))
    pixels = world.see(animal.points, angles, animal.orbit, side_px=256)
    poses = LandmarkPoses(ALIGNED, world.tabulate(animal, pixels), animal)
    pose = poses.estimate(Image.new("RGB", (256, 256)), "0001.png")
    assert isinstance(pose, PoseResult)
    assert pose.crop == whole_image(256, 256)
    assert np.abs(pose.cam2world - look_at(angles[1:2], animal.orbit)[0]).max() < 1e-6
    assert poses.estimate(PHOTO, "0001.png") == Reject("square", 900 / 700, 1.0)
    turned = world.see(animal.points, angles, animal.orbit, side_px=256, turn_rad=0.3)
    poses = LandmarkPoses(ALIGNED, world.tabulate(animal, turned), animal)
    rolled = poses.estimate(Image.new("RGB", (256, 256)), "0001.png")
    assert isinstance(rolled, PoseResult)
    assert np.abs(rolled.cam2world[:3, 2:] - pose.cam2world[:3, 2:]).max() < 1e-6
    up = rolled.cam2world[1, :3]
    assert abs(np.arctan2(up[0], -up[1])) == pytest.approx(0.3, abs=1e-5)


def test_a_template_with_other_names_is_refused(scenes, animal):
    _, table = scenes
    renamed = replace(animal, names=("eye", *animal.names[1:]), pairs=())
    with pytest.raises(ValueError, match="must have every point of the template, eye is nowhere"):
        LandmarkPoses(LANDMARKS, table, renamed)


def test_the_template_comes_from_its_file_unless_it_shall_be_refined_or_learnt(world, animal):
    rng = np.random.default_rng(3)
    angles = world.draw_angles(60, rng)
    table = world.tabulate(animal, world.see(animal.points, angles, animal.orbit, rng, 1.0))
    wrong = animal.describe()
    wrong["points"]["nose"][2] -= 0.05
    kept = build_template(LandmarkConfig(template="a.yaml"), table, wrong, "k")
    refined = build_template(LandmarkConfig(template="a.yaml", refine=True), table, wrong, "k")
    learnt = build_template(LandmarkConfig(pairs=animal.pairs, front="nose"), table, None, "k")
    nose = animal.names.index("nose")
    assert kept.points[nose, 2] == pytest.approx(animal.points[nose, 2] - 0.05)
    assert refined.points[nose, 2] == pytest.approx(animal.points[nose, 2], abs=0.02)
    assert learnt.names == table.names
    with pytest.raises(ValueError, match=r"a\.yaml: points: Field required"):
        build_template(LandmarkConfig(template="a.yaml"), table, {}, "k")
    with pytest.raises(ValueError, match=r"k\.pairs must name at least 2 pairs"):
        build_template(LandmarkConfig(), table, None, "k")


def test_the_residual_is_in_pixels_of_the_source(world, animal):
    rng = np.random.default_rng(4)
    pixels = world.see(animal.points, world.draw_angles(40, rng), animal.orbit, rng, 3.0, 700)
    for cfg in (LANDMARKS, ALIGNED):
        poses = LandmarkPoses(cfg, world.tabulate(animal, pixels), animal)
        found = [poses.estimate(Image.new("RGB", (700, 700)), f"{i:04d}.png") for i in range(40)]
        residuals = [pose.reproj_px for pose in found if isinstance(pose, PoseResult)]
        assert len(residuals) == 40
        # of 20 numbers 6 are taken up by the camera and the crop
        expected = 3 * 2**0.5 * (14 / 20) ** 0.5
        assert np.sqrt(np.mean(np.square(residuals))) == pytest.approx(expected, rel=0.1)
