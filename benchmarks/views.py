"""`python -m benchmarks.views`: seconds per object of every group of multi-view scores.

Takes the generator of params.yaml with fresh weights, which cost as much as trained ones. On a CPU
it counts the time of the process, so that others may use the machine too: set OMP_NUM_THREADS=1.
"""

import time
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks.timing import peak_memory_gib
from mimic3d.cameras import orbit_cameras
from mimic3d.data.schema import Subjects
from mimic3d.evaluation.sampling import SamplingConfig
from mimic3d.evaluation.views.config import ConsistencyConfig
from mimic3d.evaluation.views.motion import score_motion
from mimic3d.evaluation.views.objects import Sitter, generated_sitters, planes_of, true_sitter
from mimic3d.evaluation.views.probe import read_sitter
from mimic3d.evaluation.views.refitting import score_refit
from mimic3d.evaluation.views.scores import score_gap, score_pairs
from mimic3d.evaluation.views.shape import frontal_densities, score_shape
from mimic3d.metrics.probe import Probe, ProbeConfig, ProbeViews, train_probe
from mimic3d.networks.generator import Generator
from mimic3d.synthetic.render import Background
from mimic3d.synthetic.scene import SYNTHETIC_SCENE
from pipeline.params import load_params
from stages.pretrain import PretrainConfig

NUM = 4  # objects; refits take the first
CLOCK = time.perf_counter if torch.cuda.is_available() else time.process_time
ROOM: Background = "room"


def scores(cfg: ConsistencyConfig, probe: Probe) -> dict[str, Callable[[Sitter], object]]:
    """Every group of scores of one object that a lone sitter can answer."""
    scene = SYNTHETIC_SCENE
    angles = torch.linspace(-0.3, 0.3, 2 * cfg.probe.num_views).reshape(-1, 2)
    return {
        "warp": lambda look: score_pairs(look, 0.0, cfg.baselines_rad, cfg.warp, None),
        "flow": lambda look: score_motion(look, 0.0, scene, cfg.warp, cfg.flow),
        "flatness": lambda look: score_shape(look, 0.0, scene),
        "probe": lambda look: read_sitter(probe, look, angles),
        "refit": lambda look: score_refit(look, 0.0, scene.box_warp, cfg.refit.fit),
    }


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
    side, sampling = generator.image_resolution, SamplingConfig()
    subjects = Subjects(kind="heads", seed=0, background=ROOM, specular=0)

    def sit(branch: str, identity: int) -> Sitter:
        if branch == "ceiling":
            return true_sitter(subjects, G.scene, identity, side, device)
        return generated_sitters(G, label, identity, side, sampling)[branch]

    noise = ProbeViews(
        torch.randint(256, (256, 8, 3, 64, 64), dtype=torch.uint8), torch.randn(256, 8, 2)
    )
    few = cfg.probe.network.model_copy(update={"num_steps": 20})
    start = CLOCK()
    probe = train_probe(noise, few, torch.device("cpu")).to(device)
    steps = ProbeConfig().num_steps
    trained = (CLOCK() - start) / few.num_steps * steps
    print(f"training of the probe, {steps} steps     {trained:8.1f} s, once per dataset")
    for name, score in scores(cfg, probe).items():
        num = 1 if name == "refit" else NUM
        for branch in ("2d", "3d", "ceiling"):
            score(sit(branch, NUM))
            each = timed(lambda i, b=branch, s=score: s(sit(b, i)), num)
            print(f"{name:14}{branch:8}{side} px   {each * 1e3:9.0f} ms per object")
    both = timed(lambda i: score_gap(sit("3d", i), sit("2d", i), 0.0), NUM)
    print(f"{'gap':14}{'3d':8}{side} px   {both * 1e3:9.0f} ms per object")
    for branch in ("2d", "3d"):
        each = timed(
            lambda i, b=branch: frontal_densities(
                G, planes_of(G, label, i, sampling)[1], b, 0.0, cfg.flatness_3dgp
            ),
            NUM,
        )
        print(f"{'flatness_3dgp':14}{branch:8}{side} px   {each * 1e3:9.0f} ms per object")
    print(f"peak memory {peak_memory_gib():.2f} GiB")


if __name__ == "__main__":
    main()
