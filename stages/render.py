"""Pictures of any snapshot, from the command line: a row per object, seen from side to side."""

import argparse
import sys
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from mimic3d.cameras import orbit_cameras
from mimic3d.gallery import image_grid, save_png
from mimic3d.networks.generator import Generator
from mimic3d.networks.snapshot import load_snapshot


@torch.no_grad()
def render_rows(
    G: Generator, seeds: range, truncation_psi: float, yaws_rad: Float[Tensor, " v"],
    pitch_rad: float, branches: tuple[str, ...], resolution: int | None,
) -> Float[Tensor, "n 3 h w"]:  # fmt: skip
    """Images of the objects of these seeds, row by row: all views of each branch in turn.

    Styles are conditioned on the frontal camera, so that only the viewpoint moves.
    """
    device = G.mapping.w_avg.device
    frontal = orbit_cameras(torch.zeros(1), torch.zeros(1), G.scene).to(device)
    cameras = orbit_cameras(yaws_rad, torch.full_like(yaws_rad, pitch_rad), G.scene).to(device)
    rows = []
    for seed in seeds:
        z = torch.randn((1, G.config.z_dim), generator=torch.Generator().manual_seed(seed))
        ws = G.mapping(z.to(device), frontal.labels(), truncation_psi)
        planes = G.synthesize_planes(ws, G.detail is not None, "const")
        for branch in branches:
            for k in range(len(cameras)):
                if branch == "2d":
                    rows.append(G.render_2d(planes, ws, cameras[k : k + 1]).image)
                else:
                    side = resolution or G.config.image_resolution
                    rows.append(G.render_3d(planes, cameras[k : k + 1], side).image)
    return torch.cat(rows).cpu()


def parse_seeds(text: str) -> range:
    """`7` or `0-15`, both ends included."""
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def main(arguments: list[str]) -> int:
    """`python -m stages.render SNAPSHOT OUT.png`: 0 when the picture is written."""
    parser = argparse.ArgumentParser(prog="python -m stages.render", description=__doc__)
    parser.add_argument("snapshot", type=Path, help="folder, or a G_ema.safetensors alone")
    parser.add_argument("out", type=Path, help="the picture to write (PNG)")
    parser.add_argument("--seeds", type=parse_seeds, default=range(8), help="7 or 0-15")
    parser.add_argument("--psi", type=float, default=0.7, help="truncation, 1 is none")
    parser.add_argument("--branch", choices=("2d", "3d", "both"), default="3d")
    parser.add_argument("--views", type=int, default=5, help="images of each object")
    parser.add_argument("--yaw", type=float, default=0.35, help="largest yaw, rad")
    parser.add_argument("--pitch", type=float, default=0.0, help="of all views, rad")
    parser.add_argument("--resolution", type=int, help="of the 3D branch, pixels")
    args = parser.parse_args(arguments)
    try:
        G = load_snapshot(args.snapshot).to("cuda" if torch.cuda.is_available() else "cpu")
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    branches = ("2d", "3d") if args.branch == "both" else (args.branch,)
    yaws = torch.linspace(-args.yaw, args.yaw, args.views) if args.views > 1 else torch.zeros(1)
    images = render_rows(G, args.seeds, args.psi, yaws, args.pitch, branches, args.resolution)
    save_png(image_grid(images, columns=len(branches) * len(yaws)), args.out)
    print(f"{len(args.seeds)} objects x {len(yaws)} views: {args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
