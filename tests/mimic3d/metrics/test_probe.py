import numpy as np
import pytest
import torch
import truth

from mimic3d.cameras import orbit_cameras
from mimic3d.metrics.probe import (
    Probe,
    ProbeConfig,
    ProbeViews,
    load_probe,
    probe_scores,
    read_views,
    save_probe,
    train_probe,
)

SIDE = 32
TINY = ProbeConfig(resolution=SIDE, channels=16, num_steps=120, batch=32)
CPU = torch.device("cpu")


def photograph(seeds, angles):
    """Views `i v 3 h w` in [-1, 1] of heads from angles `i v 2`."""
    yaw, pitch = angles.flatten(0, 1).unbind(dim=-1)
    seen = [seed for seed in seeds for _ in range(angles.shape[1])]
    view = truth.render(seen, orbit_cameras(yaw, pitch, truth.SCENE), SIDE)
    return view.image.unflatten(0, angles.shape[:2])


def score(probe, images, angles):
    return probe_scores(read_views(probe, images), angles)


@pytest.fixture(scope="module")
def views():
    """Heads of a split of their own, each from four random sides."""
    rng = np.random.default_rng(0)
    angles = torch.from_numpy(rng.normal(0, (0.289, 0.127), (24, 4, 2)).clip(-0.7, 0.7)).float()
    images = photograph(range(1000, 1024), angles)
    return ProbeViews((images * 127.5 + 127.5).round().to(torch.uint8), angles)


@pytest.fixture(scope="module")
def probe(views):
    return train_probe(views, TINY, CPU)


@pytest.fixture(scope="module")
def held_out():
    """Other heads from the sides of the protocol, as images and angles."""
    yaw = torch.tensor([-0.4, 0.0, 0.4]).expand(8, 3)
    angles = torch.stack([yaw, torch.zeros_like(yaw)], dim=-1)
    return photograph(range(8), angles), angles


def test_it_reads_pose_and_identity_of_heads_it_has_never_seen(probe, held_out):
    scores = score(probe, *held_out)
    assert scores.probe_yaw_deg.mean() < 6  # 15.3 degrees for always saying 0
    assert scores.probe_pitch_deg.mean() < 5
    assert scores.probe_id_cos.mean() > scores.probe_id_floor.mean() + 0.2


def test_a_wrong_sign_of_the_yaw_is_seen(probe, held_out):
    images, angles = held_out
    true, turned = score(probe, images, angles), score(probe, images, -angles)
    assert (turned.probe_yaw_deg > true.probe_yaw_deg + 15).all()
    assert turned.probe_pitch_deg.mean() < 5


def test_a_head_that_changes_with_the_camera_is_seen(probe, held_out):
    """As conditioning on the pose makes it: another identity from every side."""
    images, angles = held_out
    changing = torch.stack([images[:, view].roll(view, dims=0) for view in range(3)], dim=1)
    true, changed = score(probe, images, angles), score(probe, changing, angles)
    assert changed.probe_id_cos.mean() < true.probe_id_cos.mean() - 0.2
    torch.testing.assert_close(
        changed.probe_yaw_deg.mean(), true.probe_yaw_deg.mean(), rtol=1e-4, atol=1e-3
    )


def test_scores_do_not_depend_on_the_batch(probe, held_out):
    images, angles = held_out
    whole, part = score(probe, images, angles), score(probe, images[:3], angles[:3])
    for name in ("probe_yaw_deg", "probe_pitch_deg", "probe_id_cos"):
        torch.testing.assert_close(vars(part)[name], vars(whole)[name][:3], rtol=1e-4, atol=1e-4)


def test_likeness_equals_a_plain_loop(probe, held_out):
    images, angles = held_out
    found = score(probe, images, angles)
    with torch.no_grad():
        _, e = probe(images.flatten(0, 1))
    e = e.unflatten(0, (8, 3))
    pairs = [(v, w) for v in range(3) for w in range(3) if v != w]
    for n in (0, 5, 7):
        own = sum(float(e[n, v] @ e[n, w]) for v, w in pairs) / 6
        other = sum(float(e[n, v] @ e[(n + 1) % 8, w]) for v, w in pairs) / 6
        assert found.probe_id_cos[n] == pytest.approx(own, abs=1e-5)
        assert found.probe_id_floor[n] == pytest.approx(other, abs=1e-5)


def test_training_repeats_to_the_bit_also_where_nothing_is_recorded(views):
    cfg = TINY.model_copy(update={"num_steps": 4})
    one = train_probe(views, cfg, CPU).state_dict()
    torch.randn(3)  # the caller's random numbers do not matter
    with torch.inference_mode():
        copied = ProbeViews(views.images.clone(), views.angles.clone())
        two = train_probe(copied, cfg, CPU).state_dict()
    other = train_probe(views, cfg.model_copy(update={"seed": 1}), CPU).state_dict()
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not torch.equal(one["pose.weight"], other["pose.weight"])


def test_training_leaves_the_callers_random_numbers_alone(views):
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    train_probe(views, TINY.model_copy(update={"num_steps": 1}), CPU)
    torch.testing.assert_close(torch.rand(2), expected)


def test_other_resolutions_are_resized(probe, held_out):
    images = held_out[0][:, 0]
    large = torch.nn.functional.interpolate(images, scale_factor=4, mode="bicubic")
    angles, embeddings = probe(large)
    same_angles, same_embeddings = probe(images)
    assert (angles - same_angles).abs().max() < 0.05
    assert (embeddings * same_embeddings).sum(dim=1).min() > 0.9
    assert probe.features(large).shape == (8, TINY.feature_dim)


def test_it_is_kept_in_a_file(probe, held_out, tmp_path):
    save_probe(probe, tmp_path / "cache" / "probe.safetensors")
    loaded = load_probe(tmp_path / "cache" / "probe.safetensors", CPU)
    assert isinstance(loaded, Probe)
    assert loaded.config == TINY
    for found, expected in zip(
        vars(score(loaded, *held_out)).values(),
        vars(score(probe, *held_out)).values(),
        strict=True,
    ):
        assert torch.equal(found, expected)


@pytest.mark.parametrize(("num", "seen"), [(1, 4), (4, 1)])
def test_too_few_views_are_refused(num, seen):
    images = torch.zeros(num, seen, 3, SIDE, SIDE, dtype=torch.uint8)
    with pytest.raises(ValueError, match=f"has {num} with {seen}; prepare more"):
        train_probe(ProbeViews(images, torch.zeros(num, seen, 2)), TINY, CPU)
