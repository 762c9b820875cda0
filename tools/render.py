"""Pictures, videos and meshes of any snapshot, from the command line."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import torch

from mimic3d.gallery.mesh import load_marching_cubes
from mimic3d.gallery.video import load_video_writer
from mimic3d.networks.generator import Generator
from mimic3d.networks.objects import with_samples_per_ray
from mimic3d.networks.snapshot import load_snapshot
from mimic3d.rendering.backend import BackendName, choose_backend
from mimic3d.splats.rasterize import check_rasterizer
from mimic3d.surfaces.texture import check_texture
from tools.outputs import check_file, check_folder, owned_files
from tools.render_commands import (
    BRANCHES,
    MESH_FORMATS,
    Args,
    mesh_name,
    render_epi,
    render_grid,
    render_interpolation,
    render_orbit,
    render_views,
)
from tools.render_picture import render_picture
from tools.render_shapes import render_meshes, render_splats

MIN_SAMPLES = 8  # along a ray, of both passes


def parse_seeds(text: str) -> tuple[int, ...]:
    """`7`, `0-15`, both ends included, or several of these with commas between."""
    try:
        parts = [tuple(int(end) for end in part.split("-")) for part in text.split(",")]
        seeds = tuple(seed for part in parts for seed in range(part[0], part[-1] + 1))
        if not seeds or any(len(part) > 2 for part in parts):
            raise ValueError
    except ValueError:
        rule = f"seeds must be like 7, 0-15 or 0,4,8-11, are {text}"
        raise argparse.ArgumentTypeError(rule) from None
    return seeds


def parse_count(text: str) -> int:
    """A whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, is {text}")
    return int(text)


def parse_steps(text: str) -> int:
    """A whole number of at least 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a whole number, 0 for none, is {text}")
    return int(text)


def parse_side(text: str) -> int:
    """Side of a texture: 16 to 8192 pixels."""
    if not 16 <= parse_count(text) <= 8192:
        raise argparse.ArgumentTypeError(f"must be 16 to 8192 pixels, is {text}")
    return int(text)


def parse_several(text: str) -> int:
    """A whole number of at least 2."""
    if parse_count(text) < 2:
        raise argparse.ArgumentTypeError(f"must be at least 2, is {text}")
    return int(text)


def resample(G: Generator, samples_per_ray: int) -> Generator:
    """The generator with so many samples of both passes together, in the proportion of its own."""
    if samples_per_ray < MIN_SAMPLES:
        raise ValueError(f"--samples-per-ray must be at least {MIN_SAMPLES}, is {samples_per_ray}")
    return with_samples_per_ray(G, samples_per_ray)


def check_outputs(args: Args) -> list[Path]:
    """The files that a command is to write.

    Raises:
        ValueError: The suffix is another one, or what is there is not this command's own.
    """
    if args.suffix and args.out.suffix.lower() != args.suffix:
        raise ValueError(f"{args.name} writes a file {args.suffix}, {args.out} is named otherwise")
    if args.suffix:
        check_file(args.name, args.out)
        return [args.out]
    suffixes = MESH_FORMATS[args.format]
    names = [mesh_name(seed, suffix) for seed in args.seeds for suffix in suffixes]
    check_folder(args.name, args.out, names, [args.snapshot])
    return [args.out / name for name in names]


def build_parser() -> argparse.ArgumentParser:
    """Subcommands and their options."""
    parser = argparse.ArgumentParser(prog="mimic3d render", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    grid = _add(commands, "grid", render_grid, "PNG", seeds="0-15", yaw=0.0)
    grid.add_argument("--columns", type=parse_count, default=2, help="objects in a row")
    views = _add(commands, "views", render_views, "PNG", seeds="0-7", yaw=0.35)
    views.add_argument("--views", type=parse_count, default=5, help="images of each object")
    for command in (grid, views):
        _add_panels(command, "3d" if command is views else "both", geometry=command is grid)

    orbit = _add(commands, "orbit", render_orbit, "MP4", seeds="0", yaw=0.4)
    orbit.add_argument("--frames", type=parse_several, default=48, help="of the whole round")
    morph = _add(commands, "interpolate", render_interpolation, "MP4", seeds="0-3", yaw=0.4)
    morph.add_argument("--frames", type=parse_count, default=36, help="from one object to the next")
    for command in (orbit, morph):
        _add_panels(command, "both", geometry=True)
        command.add_argument("--swing", type=float, default=0.1, help="largest pitch, rad")
        command.add_argument("--fps", type=parse_count, default=24, help="frames per second")
        command.set_defaults(require=load_video_writer, suffix=".mp4")

    epi = _add(commands, "epi", render_epi, "PNG", seeds="0", yaw=0.4)
    epi.add_argument("--branch", choices=BRANCHES, default="both")
    epi.add_argument(
        "--views", type=parse_several, default=64, help="cameras, a row of pixels each"
    )
    epi.add_argument("--height", type=float, default=0.45, help="of the row, share from the top")

    _add_picture(commands)
    mesh = _add(commands, "mesh", render_meshes, "folder", seeds="0-3", yaw=0.0)
    mesh.add_argument("--format", choices=MESH_FORMATS, default="both")
    mesh.add_argument(
        "--density", type=float, help="of the surface, 1 / world unit; else half of the light"
    )
    mesh.add_argument(
        "--background", action=argparse.BooleanOptionalAction, default=True,
        help="also the wall behind the object in the middle, and what else is around it",
    )  # fmt: skip
    mesh.add_argument("--texture", type=parse_side, help="side in pixels of a texture for the GLB")
    mesh.set_defaults(require=load_marching_cubes, renderer="auto", yaw=None, pitch=None)
    mesh.set_defaults(suffix="")

    splats = _add(commands, "splats", render_splats, "folder", seeds="0", yaw=0.0)
    splats.add_argument("--format", choices=MESH_FORMATS, default="both")
    splats.add_argument("--spacing", type=parse_count, help="pixels from one splat to the next")
    splats.add_argument("--max-splats", type=parse_count, help="greatest number of splats")
    splats.add_argument("--refine", type=parse_steps, help="steps of the fit to the views")
    splats.set_defaults(require=check_rasterizer, renderer="auto", yaw=None, pitch=None)
    splats.set_defaults(suffix="")
    return parser


def _add(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str,
    run: Callable[[Generator, Args], None], out: str, seeds: str, yaw: float,
) -> argparse.ArgumentParser:  # fmt: skip
    command = commands.add_parser(name, help=run.__doc__, description=run.__doc__)
    command.add_argument("snapshot", type=Path, help="folder, or a G_ema.safetensors alone")
    command.add_argument("out", type=Path, help=f"what to write ({out})")
    command.add_argument("--seeds", type=parse_seeds, default=seeds, help="7, 0-15 or 0,4,8-11")
    command.add_argument("--psi", type=float, default=0.7, help="truncation, 1 is none")
    command.add_argument(
        "--resolution", type=parse_count, help="pixels, or points along a mesh's box"
    )
    command.add_argument(
        "--samples-per-ray", type=parse_count, help="of both passes; else the model's own"
    )
    command.add_argument(
        "--renderer", choices=get_args(BackendName), default="torch", help="auto: the fastest here"
    )
    command.add_argument("--yaw", type=float, default=yaw, help="largest yaw, rad")
    command.add_argument("--pitch", type=float, default=0.0, help="of all views, rad")
    command.set_defaults(run=run, require=None, suffix=".png", name=f"render {name}")
    return command


def _add_picture(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "picture", help=render_picture.__doc__, description=render_picture.__doc__
    )
    command.add_argument("snapshot", type=Path, help="folder, or a G_ema.safetensors alone")
    command.add_argument("out", type=Path, help="what to write (PNG)")
    command.add_argument("--settings", default="", help="as a link of the viewer has them")
    command.add_argument("--compare", type=Path, help="a second snapshot, shown beside it")
    command.add_argument(
        "--renderer", choices=get_args(BackendName), default="auto", help="auto: the fastest here"
    )
    command.set_defaults(run=render_picture, require=None, suffix=".png", name="render picture")
    command.set_defaults(seeds=(0,), samples_per_ray=None)


def _add_panels(command: argparse.ArgumentParser, branch: str, geometry: bool) -> None:
    command.add_argument("--branch", choices=BRANCHES, default=branch)
    command.add_argument(
        "--geometry", action=argparse.BooleanOptionalAction, default=geometry,
        help="also depth and normals of the 3D branch",
    )  # fmt: skip


@torch.inference_mode()
def main(arguments: list[str]) -> int:
    """`python -m tools.render COMMAND SNAPSHOT OUT`: 0 when it is written."""
    args = build_parser().parse_args(arguments)
    try:
        outputs = check_outputs(args)
        if args.require is not None:
            args.require()
        if getattr(args, "texture", None) is not None:
            check_texture()
        G = load_snapshot(args.snapshot).to("cuda" if torch.cuda.is_available() else "cpu")
        G.backend = choose_backend(args.renderer, next(G.parameters()).device)
        if args.renderer == "auto":
            print(f"renders with {G.backend.name}: {G.backend.reason}", file=sys.stderr)
        if args.samples_per_ray is not None:
            G = resample(G, args.samples_per_ray)
        with owned_files(args.name, outputs):
            args.run(G, args)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{len(args.seeds)} objects: {args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
