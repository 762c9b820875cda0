"""What an encoder brings: its start beside the mean style, and steps of an optimisation saved.

`python -m benchmarks.encoder SNAPSHOT ENCODER`: samples of the generator that the encoder was not
trained on, and procedural heads that no training has seen, from cameras that are known.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from einops import repeat
from jaxtyping import Float
from torch import Tensor

from mimic3d.cameras import Cameras
from mimic3d.data.schema import Subjects
from mimic3d.evaluation.truth import held_out_subject, render_true_views
from mimic3d.gallery.stills import image_grid, save_png
from mimic3d.inversion.encoder import Encoder
from mimic3d.inversion.encoder_samples import PoolConfig
from mimic3d.inversion.encoder_scores import held_out_scores, score_encoder
from mimic3d.losses.lite0 import load_lite0
from mimic3d.losses.perceptual import Lite0Perceptual
from mimic3d.networks.generator import Generator
from mimic3d.networks.snapshot import load_meta, load_snapshot
from mimic3d.rendering.backend import choose_backend
from mimic3d.surfaces.pose_range import pose_range, random_cameras

SEED = 7
LEARNING_RATE = 0.05  # of whitened w, Adam
PERCEPTUAL_WEIGHT = 0.1

Loss = Callable[[Float[Tensor, "n 3 h w"]], Float[Tensor, ""]]


def optimize(
    G: Generator, encoder: Encoder, start: Float[Tensor, "n w_dim"], cameras: Cameras, loss: Loss,
    num_steps: int, side: int,
) -> list[float]:  # fmt: skip
    """Losses of steps of Adam in whitened w from a start, the start itself first."""
    axes = encoder.distribution
    x = axes.whiten(start).requires_grad_(True)
    adam, losses = torch.optim.Adam([x], lr=LEARNING_RATE, betas=(0.9, 0.99)), []
    for _ in range(num_steps):
        ws = repeat(axes.unwhiten(x), "n w_dim -> n l w_dim", l=G.mapping.num_ws)
        value = loss(G.render(ws, cameras, "3d", side).image)
        losses.append(value.item())
        adam.zero_grad()
        value.backward()
        adam.step()
    return losses


def main(arguments: list[str]) -> int:
    """Prints scores of both sets of images, and losses by step from both starts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("snapshot", type=Path)
    parser.add_argument("encoder", type=Path)
    parser.add_argument("--num", type=int, default=64, help="images that are scored")
    parser.add_argument("--num-optimized", type=int, default=4, help="images that are optimised")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--picture", type=Path, default=Path("encoder.png"), help="heads, PNG")
    args = parser.parse_args(arguments)
    G = load_snapshot(args.snapshot)
    G.backend = choose_backend("auto", torch.device("cpu"))
    encoder = Encoder.load(args.encoder, G)
    perceptual = Lite0Perceptual(load_lite0(Path("cache"), "benchmarks.encoder"))
    label = torch.tensor([load_meta(args.snapshot).average_label])
    own = held_out_scores(encoder, G, label, PoolConfig(), args.num, SEED, perceptual)
    print("held-out samples:", _round(own.means()))
    side = encoder.config.resolution
    cameras = random_cameras(pose_range(tuple(label[0].tolist())), G.scene, args.num, SEED)
    subjects = Subjects(kind="heads", seed=0, background="room", specular=0.0)
    identities = [held_out_subject(subjects, number) for number in range(args.num)]
    images = render_true_views(identities, cameras, side, subjects).images
    scores = score_encoder(encoder, G, images, None, cameras, perceptual)
    print("held-out heads:", _round(scores.means()))
    rows = [images, scores.encoded, scores.encoded_own_camera, scores.average]
    save_png(image_grid(torch.cat([row[:8] for row in rows]), 8), args.picture)
    with torch.no_grad():
        begun = time.perf_counter()
        read = encoder(images[:1])[0]
        print(f"one image is read in {1000 * (time.perf_counter() - begun):.1f} ms")
        read = encoder(images[: args.num_optimized])[0]
    few = slice(0, args.num_optimized)

    def loss(rendered: Float[Tensor, "n 3 h w"]) -> Float[Tensor, ""]:
        l2 = (rendered - images[few]).square().mean()
        return l2 + PERCEPTUAL_WEIGHT * perceptual(rendered, images[few]).mean()

    begun = time.process_time()
    options = cameras[few], loss, args.steps, side
    average = optimize(G, encoder, encoder.w_mean.expand_as(read), *options)
    seconds = (time.process_time() - begun) / args.steps / args.num_optimized
    encoded = optimize(G, encoder, read, *options)
    print(f"a step of one image takes {seconds:.3f} CPU seconds")
    print("step, loss from the mean style, from the encoder, step at which the mean style is there")
    for step in (0, 5, 10, 20, 30, 40, 50, args.steps - 1):
        if step < args.steps:
            later = next((k for k, value in enumerate(average) if value <= encoded[step]), None)
            at = f"after {args.steps - 1}" if later is None else str(later)
            print(f"{step:4d} {average[step]:.4f} {encoded[step]:.4f} {at}")
    return 0


def _round(values: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in values.items()}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
