import math

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from mimic3d.data.schema import EVAL_YAWS_RAD
from mimic3d.preparation.sources.render_tasks import list_render_tasks
from mimic3d.preparation.sources.synthetic import SyntheticConfig, SyntheticPoses
from mimic3d.synthetic.catalog import identity_of
from mimic3d.synthetic.scene import SYNTHETIC_SCENE


def angles(poses):
    """Yaw and pitch by position, rad."""
    centers = np.stack([pose.cam2world[:3, 3] for pose in poses])
    centers = centers - np.asarray(SYNTHETIC_SCENE.orbit_center)
    return np.arctan2(centers[:, 0], centers[:, 2]), np.arcsin(centers[:, 1] / 2.7)


def test_poses_have_the_spread_asked_for_and_stay_within_the_limits():
    cfg = SyntheticConfig(num_train=600, num_val=2, num_eval=2)
    poses = SyntheticPoses(cfg, 0, 64)
    yaw, pitch = angles([poses.pose(i) for i in poses.splits["train"]])
    assert abs(yaw.std() - 0.289) < 0.03
    assert abs(pitch.std() - 0.127) < 0.015
    assert abs(yaw.mean()) < 0.04
    assert np.abs(yaw).max() <= cfg.yaw_limit_rad + 1e-5
    kept = [poses.angles(i) for i in poses.splits["train"]]
    assert np.allclose(np.stack([yaw, pitch], axis=1), kept, atol=1e-5)
    more = SyntheticPoses(cfg.model_copy(update={"num_train": 700}), 0, 64)
    assert (more.pose("train-0000599").cam2world == poses.pose("train-0000599").cam2world).all()
    assert len(poses.splits["eval_multiview"]) == 2 * len(EVAL_YAWS_RAD)
    estimated = poses.estimate(Image.new("RGB", (64, 64)), "eval-0000001-0")
    assert estimated.cam2world[0, 3] == pytest.approx(2.7 * math.sin(EVAL_YAWS_RAD[0]), abs=1e-5)


def test_labels_are_exact_unless_noise_is_asked_for():
    poses = SyntheticPoses(SyntheticConfig(num_train=5, num_val=5, num_eval=1), 0, 64)
    for ids in poses.splits.values():
        for image_id in ids:
            assert (poses.label(image_id).cam2world == poses.pose(image_id).cam2world).all()


def test_label_noise_changes_what_is_written_down_and_not_what_is_seen():
    cfg = SyntheticConfig(num_train=600, num_val=5, num_eval=2)
    noisy = SyntheticPoses(cfg.model_copy(update={"label_noise_rad": 0.05}), 0, 64)
    exact = SyntheticPoses(cfg, 0, 64)
    train = noisy.splits["train"]
    assert all((noisy.pose(i).cam2world == exact.pose(i).cam2world).all() for i in train)
    true, told = (angles([find(i) for i in train]) for find in (noisy.pose, noisy.label))
    for axis in (0, 1):
        error = told[axis] - true[axis]
        assert abs(error.std() - 0.05) < 0.005
        assert abs(error.mean()) < 0.007
        assert abs(np.corrcoef(error, true[axis])[0, 1]) < 0.15
    for image_id in noisy.splits["eval_multiview"]:  # the truth that others are measured by
        assert (noisy.label(image_id).cam2world == noisy.pose(image_id).cam2world).all()


def test_the_truth_of_a_noisy_label_is_kept_in_the_factors():
    cfg = SyntheticConfig(num_train=2, num_val=0, num_eval=0, label_noise_rad=0.2)
    poses = SyntheticPoses(cfg, 3, 16)
    for _, shot in list_render_tasks(cfg, 3, 16):
        assert shot.truth == poses.angles(shot.image_id)
        assert shot.pose is not shot.label
        assert np.allclose(angles([shot.pose]), np.asarray(shot.truth)[:, None], atol=1e-5)
        assert np.abs(np.asarray(angles([shot.label])).T - shot.truth).max() > 1e-3


@pytest.mark.parametrize("kind", ["heads", "cats"])
@pytest.mark.parametrize("bias", [0.0, 0.7])
def test_pose_bias_is_the_correlation_of_smile_and_gaze_with_the_camera(correlation, kind, bias):
    cfg = SyntheticConfig(kind=kind, num_train=400, num_val=0, num_eval=1, pose_bias=bias)
    shots = list_render_tasks(cfg, 0, 16)
    train = [shot for split, shot in shots if split == "train"]
    faces = [identity_of(shot.key, kind, shot.pose_bias).factors() for shot in train]
    yaw = np.asarray([shot.truth[0] for shot in train])
    gaze = np.asarray(
        [one["shape.gaze_x"] * one["side"] for one in faces]
    )  # towards the world's +x
    smile = np.asarray([one["shape.smile"] for one in faces])
    assert correlation(gaze, yaw) == pytest.approx(bias, abs=0.15)
    assert correlation(smile, -np.abs(yaw)) == pytest.approx(bias, abs=0.15)
    assert abs(correlation([one["shape.width"] for one in faces], yaw)) < 0.15
    held_out = [shot for split, shot in shots if split == "eval_multiview"]
    assert len({identity_of(shot.key, kind, shot.pose_bias) for shot in held_out}) == 1


@pytest.mark.parametrize(
    "wrong", [{"pose_bias": 1.5}, {"label_noise_rad": -1}, {"kind": "dogs"}, {"yaw_limit_rad": 1}]
)
def test_impossible_values_are_refused(wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        SyntheticConfig(**wrong)
