from pathlib import Path

import pytest
import torch

from mimic3d.cameras import Scene
from mimic3d.inversion.encoder_samples import draw_pool
from mimic3d.inversion.encoder_scores import held_out_scores
from mimic3d.inversion.encoder_training import (
    EncoderTrainingConfig,
    check_invertible,
    learning_rate,
    new_encoder,
    train_encoder,
)
from mimic3d.networks.generator import Generator
from mimic3d.networks.snapshot import load_meta, load_snapshot

HEADS = Path(__file__).parents[3] / "examples" / "heads64"

SMALL = {
    "network": {"resolution": 16, "channels": 8, "feature_dim": 32},
    "styles": {"num_samples": 500},
    "pool": {"num_objects": 4, "num_views": 2, "yaw_rad": 0.3, "pitch_rad": 0.1},
    "augment": {
        "brightness": 0, "contrast": 0, "noise": 0, "shift_px": 0, "blur": False,
    },
    "reconstruction": {"weight": 0},
    "num_rounds": 1, "steps_per_round": 4, "batch": 8,
}  # fmt: skip


def config(**changes):
    return EncoderTrainingConfig.model_validate({**SMALL, **changes})


def last(G, label, cfg, folder):
    *_, final = train_encoder(G, label, cfg, folder)
    return final


def test_the_same_seed_gives_the_same_bits_and_another_does_not(G, label, tmp_path):
    results = [
        last(G, label, config(seed=seed, reconstruction={"weight": 1, "num_images": 2}), folder)
        for seed, folder in ((0, tmp_path / "a"), (0, tmp_path / "b"), (1, tmp_path / "c"))
    ]
    weights = [result.encoder.state_dict() for result in results]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert not torch.equal(weights[0]["stem.weight"], weights[2]["stem.weight"])


def test_a_resumed_training_equals_an_uninterrupted_one(G, label, tmp_path):
    cfg = config(num_rounds=3, augment={"noise": 0.1})
    whole = last(G, label, cfg, tmp_path / "whole")
    rounds = train_encoder(G, label, cfg, tmp_path / "parts")
    next(rounds)  # and the process ends here
    rounds.close()
    resumed = list(train_encoder(G, label, cfg, tmp_path / "parts"))
    assert [len(each.progress.history) for each in resumed][-1] == 3
    assert resumed[-1].progress.history == whole.progress.history
    weights = whole.encoder.state_dict()
    for name, value in resumed[-1].encoder.state_dict().items():
        assert torch.equal(value, weights[name]), name


def test_a_finished_training_is_not_repeated(G, label, tmp_path):
    whole = last(G, label, config(), tmp_path)
    (again,) = train_encoder(G, label, config(), tmp_path)
    assert torch.equal(again.encoder.style.weight, whole.encoder.style.weight)


@pytest.fixture(scope="module")
def heads():
    """A trained generator and its mean camera label."""
    return load_snapshot(HEADS), torch.tensor([load_meta(HEADS).average_label])


@pytest.mark.slow
def test_a_tiny_pool_is_learnt_by_heart(heads, tmp_path):
    cfg = config(
        network={"resolution": 32, "channels": 8}, steps_per_round=250, learning_rate=4e-3, batch=8
    )
    encoder = last(*heads, cfg, tmp_path).encoder.eval()
    pool = draw_pool(*heads, 32, cfg.pool, cfg.seed, 0)
    images, w, parameters = pool.pick(torch.arange(4).repeat(2), torch.arange(8) // 4)
    whitened, standardized = encoder.read(images)
    truth = (parameters - encoder.parameter_mean) / encoder.parameter_std
    assert (whitened - encoder.distribution.whiten(w)).square().mean() < 0.1
    assert (standardized - truth).square().mean() < 0.1


@pytest.mark.slow
def test_held_out_samples_are_read_better_than_by_the_mean_style(heads, tmp_path):
    cfg = EncoderTrainingConfig.model_validate(
        {"pool": {"num_objects": 192, "num_views": 2}, "steps_per_round": 200, "num_rounds": 1,
         "network": {"channels": 16, "resolution": 32}, "batch": 32,
         "styles": {"num_samples": 2000}}
    )  # fmt: skip
    encoder = last(*heads, cfg, tmp_path).encoder.eval()
    means = held_out_scores(encoder, *heads, cfg.pool, 32, cfg.seed).means()
    assert means["w_error"] < 0.9
    assert means["psnr_encoder"] > means["psnr_average"] + 1
    assert means["axis_deg"] < 0.75 * means["axis_deg_average"]


def test_the_untrained_encoder_scores_as_the_mean_style(G, label):
    encoder = new_encoder(G, label, config()).eval()
    scores = held_out_scores(encoder, G, label, config().pool, 6, 0)
    assert torch.equal(scores.encoded, scores.average)
    assert torch.equal(scores.values["axis_deg"], scores.values["axis_deg_average"])
    assert torch.equal(scores.values["psnr_encoder"], scores.values["psnr_average"])


def test_the_learning_rate_rises_then_falls_to_zero():
    rates = [learning_rate(step, 100, 1.0) for step in range(100)]
    assert rates.index(max(rates)) in (4, 5)
    assert max(rates) == 1.0
    assert rates[0] == pytest.approx(0.2)
    assert rates[5:] == sorted(rates[5:], reverse=True)
    assert 0 < rates[-1] < 1e-3


def test_a_generator_of_pretrain_is_refused(tiny_config):
    with pytest.raises(ValueError, match="3D branch"):
        check_invertible(Generator(tiny_config, Scene()))
