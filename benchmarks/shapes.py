"""Splats and meshes beside the object they stand for: time, quality and a picture.

`python -m benchmarks.shapes [SNAPSHOT] [--picture FILE]`; cameras of the numbers are held back.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from mimic3d.cameras import Cameras, orbit_cameras
from mimic3d.gallery.mesh import Mesh
from mimic3d.gallery.panels import compare_orbit
from mimic3d.gallery.stills import image_grid, save_png
from mimic3d.networks.generator import Generator
from mimic3d.networks.objects import synthesize_objects
from mimic3d.networks.snapshot import load_snapshot
from mimic3d.rendering.backend import choose_backend
from mimic3d.splats.bake import SplatConfig, bake_splats
from mimic3d.splats.quality import splat_psnr
from mimic3d.splats.rasterize import render_splats
from mimic3d.splats.splats import Splats
from mimic3d.surfaces.background import cut_background
from mimic3d.surfaces.fusion import FusionConfig
from mimic3d.surfaces.mesh_views import mesh_psnr, render_mesh
from mimic3d.surfaces.pose_range import PoseRange, grid_cameras, pose_range, random_cameras
from mimic3d.surfaces.rendered_object import OnCpu
from tools.render import parse_seeds
from tools.render_commands import draw_styles
from tools.render_shapes import (
    HELD_BACK,
    HELD_BACK_SEED,
    MeshOptions,
    average_label,
    mesh_of,
    splat_config,
)

Result = TypeVar("Result")
PICTURE_SIDE, PICTURE_YAWS = 112, (-0.45, 0.0, 0.45)
WHITE = 1.0


@dataclass(frozen=True)
class Shapes:
    """What stands for one object."""

    splats: Splats
    mesh: Mesh
    """Of the object alone."""


@torch.inference_mode()
def main() -> None:
    """Prints a line per object and shape."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shapes", description=__doc__)
    parser.add_argument("snapshot", type=Path, nargs="?", default=Path("examples/heads64"))
    parser.add_argument("--seeds", type=parse_seeds, default=(0, 1, 2, 3))
    parser.add_argument("--psi", type=float, default=0.7)
    parser.add_argument("--texture", type=int, help="side of a texture of the object alone, pixels")
    parser.add_argument("--picture", type=Path, help="PNG with a row per object")
    args = parser.parse_args()
    G = load_snapshot(args.snapshot)
    G.backend = choose_backend("auto", torch.device("cpu"))
    extent, cfg, rows = pose_range(average_label(args.snapshot)), splat_config(G), []
    _compile(G, draw_styles(G, args)[:1], extent, cfg)
    print(f"{torch.get_num_threads()} threads, {cfg.resolution} px, {HELD_BACK} cameras held back")
    for seed, w in zip(args.seeds, draw_styles(G, args).split(1), strict=True):
        shapes = _measure(f"seed {seed}", OnCpu(synthesize_objects(G, w)), extent, cfg, args)
        if args.picture:
            rows.append(_row(G, w, shapes))
    if args.picture:
        columns = len(rows[0])
        save_png(image_grid(torch.cat(rows), columns), args.picture)


def _compile(G: Generator, w: Tensor, extent: PoseRange, cfg: SplatConfig) -> None:
    """Makes the machine code that is missing, so that it is not in the times."""
    quick = cfg.model_copy(update={"fit": cfg.fit.model_copy(update={"steps": 1})})
    objects, cameras = OnCpu(synthesize_objects(G, w)), grid_cameras(extent, G.scene)[:2]
    render_splats(bake_splats(objects, cameras, G.scene, quick), cameras[:1], 32, 0.0)


def _measure(
    name: str, objects: OnCpu, extent: PoseRange, cfg: SplatConfig, args: argparse.Namespace
) -> Shapes:
    scene = objects.objects.G.scene
    cameras = random_cameras(extent, scene, HELD_BACK, HELD_BACK_SEED)
    images = [objects.render(cameras[i : i + 1], "3d", cfg.resolution).image for i in range(8)]
    splats, seconds = _timed(lambda: bake_splats(objects, grid_cameras(extent, scene), scene, cfg))
    quality = splat_psnr(splats, objects, cameras, cfg.resolution, float(scene.white_back))
    _tell(f"{name}: {len(splats):,} splats", quality, seconds)
    mesh, seconds = _timed(lambda: mesh_of(objects, extent))
    _tell(f"{name}: {len(mesh.faces):,} triangles", mesh_psnr(mesh, images, cameras), seconds)
    step = scene.box_warp / (FusionConfig().resolution - 1)
    cut, seconds = _timed(lambda: cut_background(mesh, scene.pivot, scene.box_warp, step))
    _tell(f"{name}: the object alone", mesh_psnr(cut, images, cameras), seconds)
    if args.texture:
        options = MeshOptions(texture=args.texture, background=False)
        cut, seconds = _timed(lambda: mesh_of(objects, extent, options))
        _tell(f"{name}: with a texture", mesh_psnr(cut, images, cameras), seconds)
    return Shapes(splats, cut)


def _timed(make: Callable[[], Result]) -> tuple[Result, str]:
    wall, cpu = time.perf_counter(), time.process_time()
    result = make()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return result, f"; {wall:.1f} s, {cpu:.1f} s of CPU"


def _tell(name: str, values: list[float], seconds: str = "") -> None:
    mean = sum(values) / len(values)
    print(f"{name}: {mean:.1f} dB ({min(values):.1f} to {max(values):.1f}){seconds}", flush=True)


def _row(G: Generator, w: Tensor, shapes: Shapes) -> Float[Tensor, "n 3 h w"]:
    """Both branches, depth, splats and the object's mesh, each from side to side."""
    yaw = torch.tensor(PICTURE_YAWS)
    cameras = orbit_cameras(yaw, torch.zeros_like(yaw), G.scene)
    panels = compare_orbit(G, w, cameras, len(yaw), ("2d", "3d", "depth"), PICTURE_SIDE).panels
    each: list[Cameras] = [cameras[i : i + 1] for i in range(len(yaw))]
    splats = [
        render_splats(shapes.splats, c, PICTURE_SIDE, float(G.scene.white_back)) for c in each
    ]
    meshes = [render_mesh(shapes.mesh, c, PICTURE_SIDE, WHITE) for c in each]
    return torch.cat([*panels.values(), *splats, *meshes])


if __name__ == "__main__":
    main()
