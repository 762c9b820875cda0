from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError

from mimic3d.evaluation.distribution.distances import (
    DistributionConfig,
    build_untrained,
    count_distances,
    measure_distances,
)
from mimic3d.evaluation.sampling import SamplingConfig
from mimic3d.metrics.probe import Probe, ProbeConfig
from mimic3d.metrics.protocol import protocol_hash, refuse_mixed

ESTIMATES = ("fd_{}", "kd_{}", "precision_{}", "recall_{}")
PATCHES = {"patches_per_image": 2, "num_projections": 8}
CFG = DistributionConfig(num_images=8, patches=PATCHES)


class Counter:
    """How much was done."""

    def __init__(self):
        self.total = 0

    def __call__(self, amount, text):
        self.total += amount


@pytest.fixture
def measure(context, reals):
    def run(cfg=CFG, sampling=SamplingConfig(), probe=None, resolution=16):  # noqa: B008
        counter = Counter()
        ctx = replace(context, resolution=resolution, sampling=sampling, advance=counter)
        distances = measure_distances(ctx, reals, cfg, probe)
        assert counter.total == count_distances(cfg)
        return distances

    return run


def test_everything_is_measured_under_its_name(measure):
    cfg = CFG.model_copy(update={"networks": ("random_conv", "probe"), "samples_per_ray": (8, 24)})
    distances = measure(
        cfg, probe=Probe(ProbeConfig(resolution=16, channels=8, feature_dim=6)).eval()
    )
    names = {pattern.format(label) for pattern in ESTIMATES for label in ("random_conv", "probe")}
    names |= {"swd", "swd_16"}
    suffixes = ("", "_independent", "_3d")
    expected = {f"{b}/{name}{s}" for b in ("2d", "3d") for name in names for s in suffixes}
    expected |= {f"3d/{name}_at_{num}_samples" for name in names for num in (8, 24)}
    expected |= {f"{who}/{n}" for who in ("floor", "untrained/2d", "untrained/3d") for n in names}
    assert distances.values.keys() == expected
    assert distances.intervals.keys() == {name for name in expected if "/kd_" in name}
    for name, interval in distances.intervals.items():
        assert interval.low < distances.values[name] == interval.mean < interval.high
    labels = ("random_conv", "probe", "swd")
    keys = {f"{b}/{label}{s}" for b in ("2d", "3d") for label in labels for s in suffixes}
    keys |= {f"3d/{label}_at_{num}_samples" for label in labels for num in (8, 24)}
    assert distances.protocols.keys() == keys
    assert distances.values["3d/fd_random_conv"] > distances.values["floor/fd_random_conv"] > 0


def test_inception_makes_fid_and_kid(measure, tmp_path):
    path = tmp_path / "inception.pt"
    torch.jit.script(Script()).save(str(path))
    cfg = CFG.model_copy(
        update={
            "networks": ("inception",), "cameras": ("conditioned", "fixed"), "untrained": False,
            "inception": CFG.inception.model_copy(update={"weights": str(path)}),
        }
    )  # fmt: skip
    distances = measure(cfg)
    fids = {"3d/fid", "3d/fid_3d", "2d/kid", "3d/precision", "3d/recall_3d", "floor/fid"}
    assert fids <= distances.values.keys()
    assert not any(key.startswith("untrained") for key in distances.values)
    assert "sha256 is not set" in distances.notices[0]
    assert distances.protocols["3d/inception_3d"].feature_network.startswith("inception-")


class Script(torch.nn.Module):
    def forward(self, img: torch.Tensor, return_features: bool = False) -> torch.Tensor:
        return (
            torch.nn.functional.interpolate(img / 255, size=(8, 8))
            .flatten(1)
            .repeat(1, 11)[:, :2048]
        )


def test_the_batch_and_the_cache_do_not_move_a_bit(measure):
    cfg = CFG.model_copy(update={"untrained": False})
    first = measure(cfg, SamplingConfig(batch=3))
    again = measure(cfg, SamplingConfig(batch=8))
    assert again.values == first.values
    assert again.intervals == first.intervals
    assert again.protocols == first.protocols


def test_protocols_tell_branches_cameras_and_networks_apart(measure):
    distances = measure(CFG.model_copy(update={"samples_per_ray": (24,), "untrained": False}))
    records = distances.protocols
    assert len({protocol_hash(record) for record in records.values()}) == len(records)
    fixed = records["3d/random_conv_3d"]
    assert fixed.conditioning_camera == "average of the training set"
    assert (fixed.branch, fixed.samples_per_ray, fixed.seeds) == ("3d", 12, (0, 7))
    assert (fixed.resize, fixed.resolution, fixed.split) == ("none", 16, "train")
    assert records["3d/swd_at_24_samples"].samples_per_ray == 24
    assert records["3d/swd"].patches == CFG.patches
    with pytest.raises(ValueError, match="conditioning_camera"):
        refuse_mixed([records["3d/random_conv"], fixed])


def test_the_protocol_tells_what_was_changed(measure):
    sampling = SamplingConfig(seed=3, truncation_psi=0.7)
    cfg = CFG.model_copy(update={"cameras": ("conditioned",), "untrained": False})
    one, other = measure(cfg), measure(cfg, sampling, resolution=32)
    record = other.protocols["2d/random_conv"]
    assert (record.resize, record.resolution) == ("bilinear antialiased", 32)
    assert (record.seeds, record.truncation_psi) == ((3, 10), 0.7)
    with pytest.raises(ValueError, match=r"truncation_psi is 1\.0 and 0\.7"):
        refuse_mixed([one.protocols["2d/random_conv"], record])


def test_an_untrained_generator_is_always_the_same(tiny_generator):
    cfg, scene = tiny_generator.config, tiny_generator.scene
    one, other = (build_untrained(cfg, scene, seed=0).state_dict() for _ in range(2))
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_samples_per_ray_need_conditioned_cameras():
    with pytest.raises(ValidationError, match="samples_per_ray are measured with conditioned"):
        DistributionConfig(samples_per_ray=(24,), cameras=("fixed",))
