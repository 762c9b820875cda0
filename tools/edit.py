"""Edits of an object as a strip of pictures: directions of w, interpolation, transfer of layers."""

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import get_args

import torch
from jaxtyping import Float
from torch import Tensor

from mimic3d.cameras import orbit_cameras
from mimic3d.gallery.stills import labelled_rows, save_png
from mimic3d.inversion.directions import Directions, factorized_directions, principal_directions
from mimic3d.inversion.edits import interpolate_between, move_styles, transfer_layers
from mimic3d.inversion.principal_axes import PrincipalAxesConfig, measure_axes
from mimic3d.inversion.style_files import load_style
from mimic3d.networks.generator import Generator
from mimic3d.networks.objects import trained_branches
from mimic3d.networks.snapshot import load_snapshot
from mimic3d.rendering.backend import BackendName, choose_backend
from tools.outputs import check_file, owned_files
from tools.render import parse_count, parse_seeds, parse_several
from tools.render_commands import fit_batch
from tools.render_shapes import average_label

Row = tuple[str, Float[Tensor, "n l w_dim"]]
"""A line of text and the styles of the pictures below it."""


def parse_layers(text: str) -> range:
    """`3` or `0-3`, both ends included."""
    match = re.fullmatch(r"(\d+)(?:-(\d+))?", text)
    if not match or int(match[2] or match[1]) < int(match[1]):
        raise argparse.ArgumentTypeError(f"layers must be like 3 or 0-3, are {text}")
    return range(int(match[1]), int(match[2] or match[1]) + 1)


def directions_rows(
    G: Generator, label: Float[Tensor, "1 25"], args: argparse.Namespace
) -> list[Row]:
    """Rows of one direction each: the object moved along it, from one side to the other."""
    num_ws, w_dim = G.mapping.num_ws, G.config.w_dim
    layers = args.layers or range(num_ws)
    if layers.stop > num_ws:
        raise ValueError(f"--layers must end at {num_ws - 1} at most, end at {layers.stop - 1}")
    if max(args.directions) >= w_dim:
        raise ValueError(f"--directions must be below {w_dim}, are up to {max(args.directions)}")
    directions = find_directions(G, label, args.method, max(args.directions) + 1, layers)
    ws = read_subject(G, label, args.subject, args.psi)
    steps = torch.linspace(-args.strength, args.strength, args.columns).to(ws)
    rows = []
    for k in args.directions:
        unit = directions.vectors[k] * directions.deviations[k]
        text = f"{args.method} {k}, {directions.shares[k]:.1%}: {steps[0]:+.3g} to {steps[-1]:+.3g}"
        styles = ws.expand(len(steps), -1, -1)
        moved = move_styles(styles, unit, steps, slice(layers.start, layers.stop))
        rows.append((f"{text} standard deviations of w, layers {layers[0]} to {layers[-1]}", moved))
    return rows


def interpolate_rows(
    G: Generator, label: Float[Tensor, "1 25"], args: argparse.Namespace
) -> list[Row]:
    """One row: the way from one object to another in w, both ends included."""
    start, end = (read_subject(G, label, each, args.psi) for each in (args.start, args.end))
    text = f"{args.start} to {args.end}"
    return [(text, interpolate_between(start, end, args.columns))]


def transfer_rows(
    G: Generator, label: Float[Tensor, "1 25"], args: argparse.Namespace
) -> list[Row]:
    """Two rows: an object that takes over more and more layers of another, coarse or fine first."""
    base, donor = (read_subject(G, label, each, args.psi) for each in (args.base, args.donor))
    num_ws = G.mapping.num_ws
    coarse = [transfer_layers(base, donor, slice(0, k)) for k in range(num_ws + 1)]
    fine = [transfer_layers(base, donor, slice(num_ws - k, None)) for k in range(num_ws + 1)]
    text = f"{args.base} with 0 to {num_ws} style vectors of {args.donor}"
    return [(f"{text}, coarse first", torch.cat(coarse)), (f"{text}, fine first", torch.cat(fine))]


def find_directions(
    G: Generator, label: Float[Tensor, "1 25"], method: str, num: int, layers: range
) -> Directions:
    """Directions by a method: principal ones of w, or the factorisation of style layers."""
    distribution = measure_axes(G, label, PrincipalAxesConfig())
    if method == "principal":
        return principal_directions(distribution, num)
    return factorized_directions(G, distribution, num, layers)


def read_subject(
    G: Generator, label: Float[Tensor, "1 25"], subject: str, psi: float
) -> Float[Tensor, "1 l w_dim"]:
    """Style of an object: a seed, a style file, or the folder of an inversion; psi is for seeds."""
    if not subject.isdecimal():
        return load_style(Path(subject), G)
    rng = torch.Generator().manual_seed(int(subject))
    z = torch.randn((1, G.config.z_dim), generator=rng).to(label.device)
    return G.mapping(z, label, psi)


def draw_rows(
    G: Generator, rows: Sequence[Row], yaws: Sequence[float], pitch: float, resolution: int | None
) -> list[tuple[str, Float[Tensor, "n 3 h w"]]]:
    """Pictures of each row, once from every yaw, by the 3D branch if it is trained."""
    branch, device = trained_branches(G)[-1], G.mapping.w_avg.device
    drawn = []
    for text, styles in rows:
        for yaw in yaws:
            angles = torch.full((len(styles),), yaw), torch.full((len(styles),), pitch)
            cameras, images = orbit_cameras(*angles, G.scene).to(device), []
            for start in range(0, len(styles), fit_batch(G)):
                part = slice(start, start + fit_batch(G))
                images.append(G.render(styles[part], cameras[part], branch, resolution).image)
            seen_from = f", yaw {yaw:+.2f} rad" if len(yaws) > 1 else ""
            drawn.append((text + seen_from, torch.cat(images).cpu()))
    return drawn


def build_parser() -> argparse.ArgumentParser:
    """Subcommands and their options."""
    parser = argparse.ArgumentParser(prog="mimic3d edit", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    moves = _add(commands, "directions", directions_rows)
    moves.add_argument("subject", nargs="?", default="0", help="seed, or a style of `invert`")
    moves.add_argument("--method", choices=("principal", "factorized"), default="principal")
    moves.add_argument("--directions", type=parse_seeds, default="0-5", help="0-5 or 0,3,8")
    moves.add_argument("--layers", type=parse_layers, help="style vectors that move; else all")
    moves.add_argument("--strength", type=float, default=3.0, help="largest step, deviations of w")
    blend = _add(commands, "interpolate", interpolate_rows)
    blend.add_argument("start", help="seed, style file, or folder of an inversion")
    blend.add_argument("end", help="the same")
    for command in (moves, blend):
        command.add_argument("--columns", type=parse_several, default=7, help="pictures in a row")
    mixed = _add(commands, "transfer", transfer_rows)
    mixed.add_argument("base", help="seed, style file, or folder of an inversion")
    mixed.add_argument("donor", help="the same")
    return parser


def _add(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str,
    run: Callable[[Generator, Float[Tensor, "1 25"], argparse.Namespace], list[Row]],
) -> argparse.ArgumentParser:  # fmt: skip
    command = commands.add_parser(name, help=run.__doc__, description=run.__doc__)
    command.add_argument("snapshot", type=Path, help="folder, or a G_ema.safetensors alone")
    command.add_argument("out", type=Path, help="what to write (PNG)")
    command.add_argument("--psi", type=float, default=0.7, help="truncation of seeds, 1 is none")
    command.add_argument("--yaw", type=float, nargs="+", default=[0.0], help="a row for each, rad")
    command.add_argument("--pitch", type=float, default=0.0, help="of all views, rad")
    command.add_argument("--resolution", type=parse_count, help="pixels; else the model's own")
    command.add_argument(
        "--renderer", choices=get_args(BackendName), default="torch", help="auto: the fastest here"
    )
    command.set_defaults(run=run, name=f"edit {name}")
    return command


@torch.inference_mode()
def main(arguments: Sequence[str]) -> int:
    """`mimic3d edit COMMAND SNAPSHOT OUT ...`: 0 when the picture is written."""
    args = build_parser().parse_args(list(arguments))
    try:
        if args.out.suffix.lower() != ".png":
            raise ValueError(f"{args.name} writes a file .png, {args.out} is named otherwise")
        check_file(args.name, args.out)
        G = load_snapshot(args.snapshot).to("cuda" if torch.cuda.is_available() else "cpu")
        device = G.mapping.w_avg.device
        G.backend = choose_backend(args.renderer, device)
        label = torch.tensor([average_label(args.snapshot)], device=device)
        rows = draw_rows(G, args.run(G, label, args), args.yaw, args.pitch, args.resolution)
        with owned_files(args.name, [args.out]):
            save_png(labelled_rows(rows), args.out)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    print(args.out)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
