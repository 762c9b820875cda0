"""Encoder of a snapshot: a small network that reads style and camera from an image."""

import argparse
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import torch
from PIL import Image

from mimic3d.atomic import atomic_folder
from mimic3d.content_hash import text_hash
from mimic3d.gallery.stills import labelled_rows
from mimic3d.inversion.encoder import META, WEIGHTS, EncoderMeta, hash_generator, write_encoder
from mimic3d.inversion.encoder_scores import EncoderScores, held_out_scores
from mimic3d.inversion.encoder_training import (
    EncoderTrainingConfig,
    check_invertible,
    train_encoder,
)
from mimic3d.networks.snapshot import load_snapshot
from mimic3d.rendering.backend import BackendName, choose_backend
from tools.config_options import parse_config
from tools.outputs import check_folder, owned_files
from tools.render_shapes import average_label

COMMAND = "encode"
PICTURE = "examples.png"
NUM_HELD_OUT, NUM_SHOWN = 64, 8


def build_parser() -> argparse.ArgumentParser:
    """Options of the command."""
    parser = argparse.ArgumentParser(prog="mimic3d encode", description=__doc__)
    parser.add_argument("snapshot", type=Path, help="folder, or a G_ema.safetensors alone")
    parser.add_argument("--out", type=Path, required=True, help="folder of the encoder")
    parser.add_argument("--seed", type=int, default=0, help="of samples and weights")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE",
        help="a parameter of EncoderTrainingConfig, as num_rounds=4 or pool.yaw_rad=0.6",
    )  # fmt: skip
    parser.add_argument(
        "--renderer", choices=get_args(BackendName), default="auto", help="auto: the fastest here"
    )
    return parser


def encode(args: argparse.Namespace) -> None:
    """Trains an encoder, or goes on where the same command was interrupted, and writes it.

    Raises:
        ValueError: an option, the snapshot or the place of the output is wrong.
    """
    cfg = parse_config(EncoderTrainingConfig, args.set, args.seed)
    names = (META, WEIGHTS, PICTURE)
    check_folder(COMMAND, args.out, names, [args.snapshot])
    G = load_snapshot(args.snapshot).to("cuda" if torch.cuda.is_available() else "cpu")
    check_invertible(G)
    device = G.mapping.w_avg.device
    G.backend = choose_backend(args.renderer, device)
    label = torch.tensor([average_label(args.snapshot)], device=device)
    generator_hash = hash_generator(G)
    key = text_hash(f"{generator_hash} {G.backend.name} {cfg.model_dump_json()}")[:12]
    state = args.out.with_name(f".{args.out.name}.state-{key}")
    trained, begun = None, time.perf_counter()
    for trained in train_encoder(G, label, cfg, state):
        _report(trained.progress.history, cfg.num_rounds, time.perf_counter() - begun)
    assert trained is not None, "a training has at least one round"
    encoder = trained.encoder.eval().requires_grad_(False)
    scores = held_out_scores(encoder, G, label, cfg.pool, NUM_HELD_OUT, cfg.seed)
    meta = EncoderMeta(
        config=cfg.network, w_dim=G.config.w_dim, scene=G.scene, generator_hash=generator_hash,
        measured=scores.means(),
    )  # fmt: skip
    with owned_files(COMMAND, [args.out / name for name in names]):
        with atomic_folder(args.out) as tmp:
            write_encoder(tmp, encoder.cpu(), meta)
            show_examples(scores).save(tmp / PICTURE, format="PNG")
    shutil.rmtree(state)
    print(describe(scores))


def show_examples(scores: EncoderScores) -> Image.Image:
    """Images that were held out, and what the encoder and the mean style make of them."""
    rows = {
        "samples of the generator that were held out": scores.images,
        "encoder: style, from the true camera": scores.encoded,
        "encoder: style and camera": scores.encoded_own_camera,
        "mean style, from the true camera": scores.average,
    }
    return labelled_rows([(text, images[:NUM_SHOWN].cpu()) for text, images in rows.items()])


def describe(scores: EncoderScores) -> str:
    """The scores in a sentence."""
    means = scores.means()
    return (
        f"{len(scores.images)} held-out samples: {means['psnr_encoder']:.1f} dB with the encoder's "
        f"style, {means['psnr_average']:.1f} dB with the mean style; its camera is off by "
        f"{means['axis_deg']:.1f} degrees and {means['center']:.2f} world units"
    )


def _report(history: list[dict[str, float]], num_rounds: int, seconds: float) -> None:
    row = history[-1]
    losses = ", ".join(f"{k} {v:.4f}" for k, v in row.items() if k not in ("round", "nimg"))
    print(f"round {len(history)} of {num_rounds}, {seconds:.0f} s: {losses}", flush=True)


def main(arguments: Sequence[str]) -> int:
    """`mimic3d encode SNAPSHOT --out FOLDER`: 0 when the encoder is written."""
    args = build_parser().parse_args(list(arguments))
    try:
        encode(args)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    print(args.out)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
