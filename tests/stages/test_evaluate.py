import json
import os
import socket
from dataclasses import dataclass, field

import pandas as pd
import pytest
import torch
from PIL import Image

from mimic3d.data.schema import load_manifest
from mimic3d.evaluation.distribution.distances import build_untrained
from mimic3d.networks.discriminator import DiscriminatorConfig
from mimic3d.networks.generator import Generator, GeneratorConfig
from mimic3d.networks.mapping import MappingConfig
from mimic3d.networks.snapshot import SnapshotMeta, save_snapshot
from mimic3d.networks.superresolution import SuperResolutionConfig
from mimic3d.networks.synthesis import BackboneConfig
from mimic3d.rendering.renderer import RenderingConfig
from pipeline.stage import validate
from pipeline.tracking.tracker import SilentTracker
from stages import evaluate, prepare
from stages.evaluate import EvaluateConfig

PREPARE = {
    "name": "toy",
    "resolution": 16,
    "synthetic": {"num_train": 6, "num_val": 4, "num_eval": 2},
}
EVALUATE = {
    "sampling": {"batch": 4},
    "distribution": {"num_images": 8},
    "consistency": {
        "num_identities": 2,
        "baselines_rad": [0.05, 0.3],
        "scores": ["warp", "flow", "flatness", "gap"],
    },
    "gallery": {
        "num_samples": 4,
        "columns": 2,
        "strip_views": 3,
        "num_frames": 2,
        "epi_views": 4,
        "interpolation_stops": 2,
        "interpolation_frames": 2,
        "num_worst": 1,
        "num_meshes": 1,
        "mesh": {"resolution": 8},
    },
}
GENERATOR = GeneratorConfig(
    image_resolution=16, neural_rendering_resolution=8, plane_resolution=8, plane_channels=4,
    feature_channels=4, z_dim=8, w_dim=8, detail=True,
    mapping=MappingConfig(num_layers=1), backbone=BackboneConfig(channel_max=8),
    superresolution=SuperResolutionConfig(channels=4),
    rendering=RenderingConfig(
        depth_resolution=6, depth_resolution_importance=6, density_gain=100
    ),
)  # fmt: skip


HISTORY = {
    "pretrain": "nimg,val/2d/fd_random_conv\n2000,9.0\n4000,7.0\n",
    "imitate": "nimg,val/2d/fd_random_conv,val/3d/fd_random_conv\n1000,6.0,8.0\n",
}


@dataclass
class Ledger(SilentTracker):
    """A tracker that remembers."""

    metrics: dict = field(default_factory=dict)
    images: dict = field(default_factory=dict)
    tags: dict = field(default_factory=dict)
    steps: list = field(default_factory=list)

    def log_metrics(self, metrics, nimg):
        self.metrics |= {(key, nimg): value for key, value in metrics.items()}

    def log_image(self, key, image, nimg):
        self.images[key, nimg] = image

    def set_tags(self, tags):
        self.tags |= tags

    def progress(self, done, total, text):
        self.steps.append((done, total))


def write_params(root, changes):
    sections = {"prepare": PREPARE, "evaluate": EVALUATE | changes}
    (root / "params.yaml").write_text(json.dumps(sections))


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project folder with procedural heads and the snapshot of a generator."""
    root = tmp_path_factory.mktemp("project")
    write_params(root, {})
    prepare.run(prepare.PrepareConfig(**PREPARE), root, SilentTracker())
    manifest = load_manifest(root / "data" / "toy")
    meta = SnapshotMeta(
        stage="imitate", nimg=4000, dataset_fingerprint=manifest.fingerprint,
        average_label=manifest.average_label, scene=manifest.scene, generator=GENERATOR,
        discriminator=DiscriminatorConfig(),
    )  # fmt: skip
    torch.manual_seed(3)
    generator = Generator(GENERATOR, manifest.scene)
    save_snapshot(root / "runs" / "imitate" / "snapshot", meta, {"G_ema": generator})
    for stage, curve in HISTORY.items():
        (root / "reports" / stage).mkdir(parents=True)
        (root / "reports" / stage / "monitor.csv").write_text(curve)
    return root


@pytest.fixture(scope="module")
def evaluated(project):
    torch.set_num_threads(1)
    tracker = Ledger()
    evaluate.run(EvaluateConfig(**EVALUATE), project, tracker)
    return project, tracker, numbers_of(project)


def test_distances_of_all_that_is_compared_are_reported(evaluated):
    _, _, metrics = evaluated
    for who in ("2d", "3d", "untrained/2d", "untrained/3d", "floor"):
        for name in ("fd_random_conv", "swd", "swd_16"):
            assert metrics[f"{who}/{name}"] > 0
    assert metrics["3d/fd_random_conv"] > metrics["floor/fd_random_conv"]
    assert metrics["untrained/3d/fd_random_conv"] != metrics["3d/fd_random_conv"]


def test_agreement_and_its_ceiling_are_reported(evaluated):
    root, _, metrics = evaluated
    assert {"2d/warp_cov_at_0.05", "3d/warp_cov_at_0.3", "ceiling/warp_psnr_at_0.3"} <= set(metrics)
    rows = pd.read_parquet(root / "runs" / "evaluate" / "samples.parquet")
    assert list(rows) == ["branch", "metric", "identity", "value"]
    some = rows[(rows["branch"] == "ceiling") & (rows["metric"] == "warp_cov_at_0.3")]
    assert list(some["identity"]) == [0, 1]
    assert some["value"].mean() == pytest.approx(metrics["ceiling/warp_cov_at_0.3"])


def test_every_number_has_a_row_and_the_hash_of_its_protocol(evaluated):
    root, _, metrics = evaluated
    protocol = json.loads((root / "reports" / "evaluate" / "protocol.json").read_text())
    table = pd.read_csv(root / "reports" / "evaluate" / "table.csv").set_index("name")
    for name, value in metrics.items():
        assert table["value"][name] == pytest.approx(value), name
    assert table["protocol"]["2d/swd_16_3d"] == protocol["2d/swd_3d"]["hash"]
    assert table["protocol"]["untrained/3d/kd_random_conv"] == protocol["3d/random_conv"]["hash"]
    assert table["protocol"]["3d/nfs"] == protocol["consistency"]["hash"]
    assert table["low"]["3d/nfs"] <= table["value"]["3d/nfs"] <= table["high"]["3d/nfs"]


def test_plots_and_the_report_are_written(evaluated):
    root, _, _ = evaluated
    reports = root / "reports" / "evaluate"
    yaw = pd.read_csv(reports / "consistency_by_yaw.csv")
    assert list(yaw) == ["yaw_rad", "2d", "3d", "ceiling"]
    history = pd.read_csv(reports / "distance_by_nimg.csv")
    assert list(history["nimg"]) == [2000, 4000, 5000]
    assert list(history["2d"]) == [9.0, 7.0, 6.0]
    page = (reports / "report.html").read_text()
    for word in ("fd_random_conv_3d", "warp_psnr", "chosen", "Epipolar image"):
        assert word in page
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")


def test_the_protocol_says_how_it_was_measured(evaluated):
    root, tracker, _ = evaluated
    protocol = json.loads((root / "reports" / "evaluate" / "protocol.json").read_text())
    manifest = load_manifest(root / "data" / "toy")
    record, other = protocol["3d/random_conv"], protocol["2d/random_conv"]
    assert record["dataset_fingerprint"] == manifest.fingerprint
    assert record["num_fake"] == 8
    assert record["samples_per_ray"] == 12
    assert record["resize"] == "none"
    assert protocol["snapshot"]["nimg"] == 4000
    assert "2 identities" in protocol["consistency"]["ceiling"]
    assert tracker.tags["protocol.3d/random_conv"] == record["hash"] != other["hash"]


def test_pictures_are_drawn(evaluated):
    root, tracker, _ = evaluated
    folder = root / "runs" / "evaluate"
    pictures = {"grid.png", "orbit.png", "epi.png", "worst.png", "orbit.mp4", "interpolation.mp4"}
    assert {path.name for path in folder.iterdir()} == {*pictures, "meshes", "samples.parquet"}
    assert {path.name for path in (folder / "meshes").iterdir()} == {"object0.ply", "object0.glb"}
    with Image.open(folder / "grid.png") as grid, Image.open(folder / "orbit.png") as strip:
        assert grid.size == (2 * 4 * 16, 2 * 16)
        assert strip.size == (3 * 16, 4 * 16)
    shown = {"samples", "from_side_to_side", "epipolar_image", "worst_cases"}
    assert set(tracker.images) == {(name, 4000) for name in shown}


def test_the_tracker_hears_everything(evaluated):
    _, tracker, metrics = evaluated
    assert tracker.metrics == {(key, 4000): value for key, value in metrics.items()}
    done = [step for step, _ in tracker.steps]
    assert done == sorted(done)
    assert tracker.steps[-1] == (8 * 6 + 2 * 2 + 1, 8 * 6 + 2 * 2 + 1)


def test_metric_names_suit_mlflow(evaluated):
    """It takes no @, and refuses the whole request."""
    _, _, metrics = evaluated
    assert all(set(key) <= set(LETTERS) for key in metrics)


LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789_-./"


def test_evaluating_again_gives_the_same_bits(evaluated, project, capsys):
    """Whatever the batch; the ceilings come from the cache this time."""
    _, _, metrics = evaluated
    before = (project / "runs" / "evaluate" / "samples.parquet").read_bytes()
    cfg = EvaluateConfig(**EVALUATE | {"sampling": {"batch": 3}, "video": False})
    evaluate.run(cfg, project, SilentTracker())
    assert numbers_of(project) == metrics
    assert (project / "runs" / "evaluate" / "samples.parquet").read_bytes() == before
    assert "untrained" in capsys.readouterr().out
    assert not (project / "runs" / "evaluate" / "orbit.mp4").exists()


@pytest.mark.slow
def test_two_processes_find_what_one_does(evaluated, project):
    _, _, metrics = evaluated
    cfg = EvaluateConfig(**EVALUATE | {"video": False})
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    torch.multiprocessing.spawn(evaluate_as, (cfg, project, port), nprocs=2)
    found = numbers_of(project)
    assert found.keys() == metrics.keys()
    for key, value in metrics.items():
        assert found[key] == pytest.approx(value, rel=1e-6, abs=1e-9), key


def evaluate_as(rank, cfg, root, port):
    os.environ |= {
        "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "ACCELERATE_USE_CPU": "true",
    }  # fmt: skip
    torch.set_num_threads(1)
    evaluate.run(cfg, root, SilentTracker())


def numbers_of(root):
    path = root / "reports" / "evaluate" / "table.csv"
    table = pd.read_csv(path, float_precision="round_trip").set_index("name")
    return table["value"].to_dict()


def test_what_dvc_compares_are_headlines_and_the_table_has_all(evaluated):
    root, _, numbers = evaluated
    headlines = json.loads((root / "reports" / "evaluate" / "metrics.json").read_text())
    assert headlines.items() <= numbers.items()
    names = ("fd_random_conv", "swd", "flow_residual", "nfs")
    assert headlines.keys() >= {f"{branch}/{name}" for branch in ("2d", "3d") for name in names}
    assert len(headlines) <= 30 < len(numbers)


def test_an_untrained_generator_is_always_the_same(project):
    scene = load_manifest(project / "data" / "toy").scene
    one = build_untrained(GENERATOR, scene, seed=0).state_dict()
    state = torch.random.get_rng_state()
    other = build_untrained(GENERATOR, scene, seed=0).state_dict()
    assert torch.equal(state, torch.random.get_rng_state())  # the caller's stream is left alone
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_impossible_parameters_are_refused_before_any_compute(project):
    write_params(project, {})
    validate("evaluate", project)
    write_params(project, {"distribution": {"num_images": 11}})
    with pytest.raises(ValueError, match=r"evaluate.distribution.num_images must be at most 10"):
        validate("evaluate", project)
    write_params(project, {"consistency": {"baselines_rad": []}})
    with pytest.raises(ValueError, match=r"evaluate.consistency.baselines_rad"):
        validate("evaluate", project)


def test_a_snapshot_without_detail_planes_is_refused(project, tmp_path):
    (tmp_path / "data").symlink_to(project / "data")
    write_params(tmp_path, {})
    meta = json.loads((project / "runs" / "imitate" / "snapshot" / "snapshot.json").read_text())
    meta["generator"]["detail"] = False
    folder = tmp_path / "runs" / "imitate" / "snapshot"
    folder.mkdir(parents=True)
    (folder / "snapshot.json").write_text(json.dumps(meta))
    with pytest.raises(ValueError, match="detail planes"):
        validate("evaluate", tmp_path)
