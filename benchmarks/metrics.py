"""`python -m benchmarks.metrics [--images N]`: seconds per 1000 images of each distance."""

import argparse
from pathlib import Path

import torch

from benchmarks.timing import peak_memory_gib, seconds
from mimic3d.cameras import Scene, orbit_cameras
from mimic3d.evaluation.sampling import CameraDraw, CameraMode, SamplingConfig, sample_branches
from mimic3d.metrics.features import RandomConvFeatures, to_uint8
from mimic3d.metrics.frechet import frechet_of_features
from mimic3d.metrics.kernel import KernelConfig, kernel_distance
from mimic3d.metrics.neighbours import NeighboursConfig, precision_recall
from mimic3d.metrics.sliced_wasserstein import PatchConfig, sample_patches, sliced_wasserstein
from mimic3d.networks.generator import Generator
from pipeline.params import load_params
from stages.pretrain import PretrainConfig

INCEPTION_DIM = 2048
NUM_SAMPLED = 16  # objects, of which the time is measured


@torch.inference_mode()
def main() -> None:
    """Print one line per measurement."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=1000)
    num = parser.parse_args().images
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(0)
    pretrain = load_params("pretrain", PretrainConfig, Path.cwd())
    cfg = pretrain.generator.model_copy(update={"detail": True})
    G, side = Generator(cfg, Scene()).to(device).eval(), cfg.image_resolution

    def tell(measured: str, took: float, per: int) -> None:
        print(f"{measured:48}{took * 1000 / per:9.2f} s per 1000 images")

    for batch in (1, 8):
        took = seconds(lambda size=batch: _sample(G, "conditioned", size, device), repeats=3)
        tell(f"sampling both branches, {side} px, passes of {batch}", took, NUM_SAMPLED)
    images = to_uint8(torch.rand(num, 3, side, side, device=device) * 2 - 1)
    network, patches = RandomConvFeatures().to(device), PatchConfig()
    tell("features of random_conv", seconds(lambda: network(images), repeats=1), num)
    took = seconds(lambda: sample_patches(images, 0, patches), repeats=1)
    tell("patches for the sliced Wasserstein distance", took, num)
    sampled = sample_patches(images, 0, patches)
    took = seconds(lambda: sliced_wasserstein(sampled, sampled, patches), repeats=1)
    tell("sliced Wasserstein distance", took, num)
    for dim in (RandomConvFeatures.dim, INCEPTION_DIM):
        real, fake = torch.randn(2, num, dim, device=device)
        took = seconds(lambda a=real, b=fake: frechet_of_features(a, b), repeats=1)
        tell(f"Frechet distance, {dim} features", took, num)
        took = seconds(lambda a=real, b=fake: kernel_distance(a, b, KernelConfig()), repeats=1)
        tell(f"kernel distance, {dim} features", took, num)
        took = seconds(lambda a=real, b=fake: precision_recall(a, b, NeighboursConfig()), repeats=1)
        tell(f"precision and recall, {dim} features", took, num)
    print(f"peak memory {peak_memory_gib():.2f} GiB")


def _sample(G: Generator, mode: CameraMode, batch: int, device: torch.device) -> None:
    labels = orbit_cameras(torch.linspace(-0.5, 0.5, 9), torch.zeros(9), G.scene).labels()
    cameras = CameraDraw(labels.to(device), labels.mean(dim=0, keepdim=True).to(device), mode)
    sampling = SamplingConfig(batch=batch)
    side = G.config.image_resolution
    for _ in sample_branches(G, cameras, range(NUM_SAMPLED), side, sampling):
        pass


if __name__ == "__main__":
    main()
