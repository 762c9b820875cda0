"""`python -m benchmarks.views`: seconds per object of every group of multi-view scores.

Takes the generator of params.yaml with fresh weights, which cost as much as trained ones. On a CPU
it counts the time of the process, so that others may use the machine too: set OMP_NUM_THREADS=1.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.timing import peak_memory_gib
from mimic3d.cameras import orbit_cameras
from mimic3d.data.schema import Manifest, Subjects
from mimic3d.evaluation.context import ALONE, EvaluationContext
from mimic3d.evaluation.sampling import SamplingConfig
from mimic3d.evaluation.views.config import ConsistencyConfig
from mimic3d.evaluation.views.metric import JointViewMetric, ScoringNetworks, ViewMetric
from mimic3d.evaluation.views.objects import (
    ObjectViews,
    ViewSource,
    generated_views,
    true_views,
)
from mimic3d.evaluation.views.probe import ProbeMetric
from mimic3d.evaluation.views.scorer import build_metrics
from mimic3d.evaluation.views.table import settings_of
from mimic3d.metrics.probe import Probe, ProbeConfig, ProbeViews, train_probe
from mimic3d.networks.generator import Generator
from mimic3d.synthetic.render import Background
from mimic3d.synthetic.scene import SYNTHETIC_SCENE
from pipeline.params import load_params
from stages.pretrain import PretrainConfig

NUM = 4  # objects; refits take the first
CLOCK = time.perf_counter if torch.cuda.is_available() else time.process_time
ROOM: Background = "room"


def measure(metric: ViewMetric[Any], sources: dict[str, ViewSource], branch: str) -> None:
    """One metric of one object, with the views that it needs."""
    angles = torch.linspace(-0.3, 0.3, 16).reshape(-1, 2)
    views = ObjectViews(0, branch, sources, angles, 0.0)
    metric.measure(views)
    if isinstance(metric, JointViewMetric):
        metric.observe(views)


def timed(work: Callable[[int], object], num: int) -> float:
    """Seconds per object."""
    start = CLOCK()
    for identity in range(num):
        work(identity)
    return (CLOCK() - start) / num


@torch.inference_mode()
def main() -> None:
    """Print one line per group and branch; every group renders the views that it needs."""
    pretrain, cfg = load_params("pretrain", PretrainConfig, Path.cwd()), ConsistencyConfig()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(0)
    generator = pretrain.generator.model_copy(update={"detail": True})
    G = Generator(generator, SYNTHETIC_SCENE).to(device).eval()
    label = orbit_cameras(torch.zeros(1), torch.zeros(1), G.scene).labels().to(device)
    side, subjects = (
        generator.image_resolution,
        Subjects(kind="heads", seed=0, background=ROOM, specular=0),
    )
    ctx = EvaluationContext(
        G, label, Manifest.model_construct(), side, SamplingConfig(), ALONE, Path(),
        lambda amount, text: None,
    )  # fmt: skip

    def sources(branch: str, identity: int) -> dict[str, ViewSource]:
        if branch == "ceiling":
            return {branch: true_views(subjects, G.scene, identity, side, device)}
        return generated_views(ctx, identity)

    probe = _train_probe(settings_of(cfg, ProbeMetric).network).to(device)
    for metric in build_metrics(cfg, ScoringNetworks(probe, None, None, None, {})):
        num = 1 if metric.name == "refit" else NUM
        for branch in ("2d", "3d", "ceiling"):
            measure(metric, sources(branch, NUM), branch)
            each = timed(lambda i, b=branch, m=metric: measure(m, sources(b, i), b), num)
            print(f"{metric.name:14}{branch:8}{side} px   {each * 1e3:9.0f} ms per object")
    print(f"peak memory {peak_memory_gib():.2f} GiB")


def _train_probe(network: ProbeConfig) -> Probe:
    """A probe after a few steps, of which the time is printed."""
    noise = ProbeViews(
        torch.randint(256, (256, 8, 3, 64, 64), dtype=torch.uint8), torch.randn(256, 8, 2)
    )
    few = network.model_copy(update={"num_steps": 20})
    start = CLOCK()
    probe = train_probe(noise, few, torch.device("cpu"))
    trained = (CLOCK() - start) / few.num_steps * network.num_steps
    print(
        f"training of the probe, {network.num_steps} steps     {trained:8.1f} s, once per dataset"
    )
    return probe


if __name__ == "__main__":
    main()
