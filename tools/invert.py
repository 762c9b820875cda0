"""Photos to a style and a tuned generator that show them: inversion in one command."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from mimic3d.atomic import atomic_file
from mimic3d.content_hash import text_hash
from mimic3d.gallery.stills import enlarge, image_grid, save_png
from mimic3d.gallery.video import load_video_writer
from mimic3d.inversion.domain import DomainConfig, measure_domain
from mimic3d.inversion.encoder import Encoder, hash_generator
from mimic3d.inversion.inversion import Inversion, InversionConfig
from mimic3d.inversion.reconstruction import Identity, Reconstruction
from mimic3d.losses.perceptual import PerceptualConfig, build_perceptual
from mimic3d.metrics.faces import FaceNetworkConfig, arcface_similarity, load_face_network
from mimic3d.networks.objects import trained_branches
from mimic3d.networks.snapshot import read_snapshot
from mimic3d.rendering.backend import BackendName, choose_backend
from tools.config_options import parse_config
from tools.invert_inputs import CACHE, ModelCameras, NamedTarget, read_inputs
from tools.invert_results import (
    InversionContext,
    check_result,
    is_finished,
    write_result,
)

SAVE_SECONDS = 10.0
PREVIEW = "preview.png"
STATE = "state.safetensors"


def build_parser() -> argparse.ArgumentParser:
    """Options of the command."""
    parser = argparse.ArgumentParser(prog="mimic3d invert", description=__doc__)
    parser.add_argument("snapshot", type=Path, help="folder of a snapshot of `imitate`")
    parser.add_argument(
        "inputs", nargs="+", metavar="INPUT",
        help="photo, folder of photos, or DATASET:INDEX, DATASET:SPLIT:INDEX of a prepared dataset",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, help="folder; a folder per result in it")
    parser.add_argument(
        "--one-person", action="store_true", help="all inputs show the same one: one style of them"
    )
    parser.add_argument("--encoder", type=Path, help="start from this encoder (`mimic3d encode`)")
    parser.add_argument("--arcface", help="TorchScript file of a face network: identity counts too")
    parser.add_argument("--seed", type=int, default=0, help="of all random numbers")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE",
        help="a parameter of InversionConfig, as tuning.num_steps=300 or camera.interval=0",
    )  # fmt: skip
    parser.add_argument(
        "--renderer", choices=get_args(BackendName), default="auto", help="auto: the fastest here"
    )
    return parser


def open_context(args: argparse.Namespace) -> InversionContext:
    """The generator, the networks that measure, and the samples to compare with.

    Raises:
        ValueError: the snapshot, or a network, is not what is needed.
    """
    cfg = parse_config(InversionConfig, args.set, args.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    snapshot = read_snapshot(args.snapshot)
    G = snapshot.build_generator().to(device)
    if "3d" not in trained_branches(G):
        raise ValueError(
            "photos are inverted through the 3D branch, which a snapshot of `pretrain` has not "
            "learnt; use one of `imitate`"
        )
    G.backend = choose_backend(args.renderer, device)
    perceptual = build_perceptual(PerceptualConfig(network="lite0"), CACHE / "models", "invert")
    reconstruction = Reconstruction(
        cfg.reconstruction, perceptual.to(device), _identity(args.arcface, device)
    )
    label = torch.tensor([snapshot.meta.average_label], device=device)
    reference = measure_domain(G, label, reconstruction.perceptual, DomainConfig())
    encoder = Encoder.load(args.encoder, G).to(device) if args.encoder else None
    return InversionContext(
        G, snapshot.meta, label, reconstruction, cfg, reference, DomainConfig(), encoder,
        hash_generator(G),
    )  # fmt: skip


def _identity(file: str | None, device: torch.device) -> Identity | None:
    if file is None:
        return None
    cfg = FaceNetworkConfig(weights=file)
    network = load_face_network(cfg, CACHE / "models", device, "--arcface")
    return lambda a, b: arcface_similarity(network, a, b, cfg)


def invert_one(context: InversionContext, item: NamedTarget, out: Path) -> None:
    """Inverts a target, or goes on where it was interrupted, and writes its results.

    Raises:
        ValueError: something else is in the way.
    """
    folder = out / item.name
    target = item.target.to(context.average_label.device)
    key = _key(context, item)
    check_result(folder)
    if is_finished(folder, key):
        print(f"{item.name}: is there already, {folder}", flush=True)
        return
    start = None
    if context.encoder is not None:
        w, _ = context.encoder(target.images)
        start = w.mean(dim=0)[None, None]
    inversion = Inversion(
        context.G, context.average_label, target, context.reconstruction, context.cfg, start
    )
    partial = out / f".{item.name}.state-{key}"
    seconds = _resume(inversion, partial / STATE)
    seconds = _run(inversion, item, partial, seconds)
    write_result(context, item, inversion, folder, key, seconds)
    for name in (STATE, PREVIEW):
        (partial / name).unlink(missing_ok=True)
    if partial.is_dir():
        partial.rmdir()


def _key(context: InversionContext, item: NamedTarget) -> str:
    pixels, cameras = item.target.images, item.target.cameras.labels()
    parts = [context.generator_hash, context.G.backend.name, context.cfg.model_dump_json()]
    parts += [text_hash(str(x.cpu().tolist())) for x in (pixels, cameras)]
    if context.encoder is not None:
        parts.append(text_hash(str([float(p.sum()) for p in context.encoder.parameters()])))
    return text_hash(" ".join([*parts, str(context.reconstruction.identity is not None)]))[:12]


def _resume(inversion: Inversion, path: Path) -> float:
    """Loads the state of an interrupted inversion, if there is one; returns its seconds."""
    if not path.is_file():
        return 0.0
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
        inversion.load(load_file(path))
    except (SafetensorError, KeyError, RuntimeError) as error:
        raise ValueError(f"{path} is damaged ({error}); delete {path.parent}") from None
    print(f"goes on after {float(header['seconds']):.0f} s of an interrupted inversion", flush=True)
    return float(header["seconds"])


def _run(inversion: Inversion, item: NamedTarget, partial: Path, before: float) -> float:
    """Runs to the end with progress on stderr; returns the seconds that it took."""
    begun, saved, count = time.perf_counter(), time.perf_counter(), 0
    for step in inversion.steps():
        count += 1
        now = time.perf_counter()
        rate = (now - begun) / count
        left = rate * (step.num_steps - step.step + inversion.steps_to_come(step.phase))
        line = (
            f"{item.name}: {step.phase} {step.step}/{step.num_steps}, loss {step.loss:.4f}, "
            f"{left:.0f} s left at most"
        )
        end = "\r" if sys.stderr.isatty() else "\n"
        if sys.stderr.isatty() or step.step % 25 == 0 or step.step == step.num_steps:
            print(f"{line:<78}", end=end, file=sys.stderr, flush=True)
        if now - saved > SAVE_SECONDS:
            _save(inversion, partial, before + now - begun)
            saved = time.perf_counter()
    if sys.stderr.isatty():
        print(file=sys.stderr)
    return before + time.perf_counter() - begun


def _save(inversion: Inversion, partial: Path, seconds: float) -> None:
    state = {name: x.detach().cpu().clone() for name, x in inversion.state().items()}
    with atomic_file(partial / STATE) as tmp:
        save_file(state, tmp, {"seconds": str(seconds)})
    answer = inversion.answer(inversion.newest)
    with torch.no_grad():
        image = answer.objects.render(answer.cameras).image
    pairs = torch.cat([inversion.target.images, image.clamp(-1, 1)]).cpu()
    save_png(enlarge(image_grid(pairs, len(image)), 3), partial / PREVIEW)


def main(arguments: Sequence[str]) -> int:
    """`mimic3d invert SNAPSHOT INPUT ... --out DIR`: 0 when all results are written."""
    args = build_parser().parse_args(list(arguments))
    try:
        if args.seed < 0:
            raise ValueError(f"--seed must not be negative, is {args.seed}")
        load_video_writer()
        context = open_context(args)
        model = ModelCameras(
            context.meta.scene, context.meta.average_label, context.G.config.image_resolution
        )
        targets, refused = read_inputs(args.inputs, model, args.one_person)
        for sentence in (*refused, *(note for each in targets for note in each.notes)):
            print(sentence, file=sys.stderr)
        for each in targets:
            check_result(args.out / each.name)
        for each in targets:
            invert_one(context, each, args.out)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
