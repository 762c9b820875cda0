"""Commands of `mimic3d render`: a function each, of a generator and the options."""

import argparse

import torch
from jaxtyping import Float
from torch import Tensor

from mimic3d.cameras import orbit_cameras
from mimic3d.gallery.animation import morph_frames, orbit_frames
from mimic3d.gallery.config import GalleryConfig
from mimic3d.gallery.epi import epipolar_images, stack_epipolar
from mimic3d.gallery.panels import PANELS, Panel, compare_branches, compare_orbit
from mimic3d.gallery.paths import (
    epi_path,
    interpolate_styles,
    interpolation_path,
    orbit_path,
    sweep_path,
)
from mimic3d.gallery.stills import image_grid, save_png
from mimic3d.gallery.video import save_video
from mimic3d.networks.generator import Generator
from mimic3d.networks.objects import trained_branches

BRANCHES: dict[str, tuple[Panel, ...]] = {"2d": ("2d",), "3d": ("3d",), "both": ("2d", "3d")}

BATCH_FLOATS = 2**27  # plane features of a batch: 512 MiB

LARGEST_BATCH = 16

MESH_FORMATS = {"ply": (".ply",), "glb": (".glb",), "both": (".ply", ".glb")}

Args = argparse.Namespace


def draw_styles(G: Generator, args: Args) -> Float[Tensor, "n l w_dim"]:
    """Styles of the seeds, conditioned on the frontal camera, so that only the viewpoint moves."""
    device = G.mapping.w_avg.device
    rngs = [torch.Generator().manual_seed(seed) for seed in args.seeds]
    z = [torch.randn(G.config.z_dim, generator=rng) for rng in rngs]
    label = orbit_cameras(torch.zeros(1), torch.zeros(1), G.scene).labels().to(device)
    return G.mapping(torch.stack(z).to(device), label.expand(len(z), -1), args.psi)


def render_grid(G: Generator, args: Args) -> None:
    """Grid of every object once: its panels side by side."""
    ws = draw_styles(G, args)
    angles = torch.full((len(ws),), args.yaw), torch.full((len(ws),), args.pitch)
    cameras = orbit_cameras(*angles, G.scene).to(ws.device)
    drawn = compare_branches(G, ws, cameras, fit_batch(G), panels_of(args), args.resolution)
    save_png(image_grid(drawn.side_by_side(), args.columns), args.out)


def render_views(G: Generator, args: Args) -> None:
    """A row per object: its views from one side to the other, of one panel after the other."""
    ws = draw_styles(G, args)
    cameras = sweep_path(args.yaw if args.views > 1 else 0.0, args.views, args.pitch, G.scene)
    rows, panels = [], panels_of(args)
    for w in ws.split(1):
        drawn = compare_orbit(G, w, cameras.to(ws.device), fit_batch(G), panels, args.resolution)
        rows += drawn.panels.values()
    save_png(image_grid(torch.cat(rows), columns=len(panels) * args.views), args.out)


def render_orbit(G: Generator, args: Args) -> None:
    """A camera that swings around each object; the objects below each other."""
    cfg = GalleryConfig(num_frames=args.frames, yaw_rad=args.yaw, pitch_rad=args.swing)
    ws = draw_styles(G, args)
    cameras = orbit_path(cfg, args.pitch, G.scene).to(ws.device)
    options = fit_batch(G), panels_of(args), args.resolution
    videos = [orbit_frames(G, w, cameras, *options) for w in ws.split(1)]
    frames = (torch.cat(rows, dim=1) for rows in zip(*videos, strict=True))
    save_video(frames, args.out, args.fps)


def render_interpolation(G: Generator, args: Args) -> None:
    """A closed way from each object to the next, while the camera swings."""
    if len(args.seeds) < 2:
        raise ValueError(f"--seeds must name at least 2 objects, names {len(args.seeds)}")
    stops = draw_styles(G, args)
    cfg = GalleryConfig(
        interpolation_stops=len(stops), interpolation_frames=args.frames, yaw_rad=args.yaw,
        pitch_rad=args.swing,
    )  # fmt: skip
    ws = interpolate_styles(stops, cfg.interpolation_frames)
    cameras = interpolation_path(cfg, args.pitch, G.scene).to(ws.device)
    frames = morph_frames(G, ws, cameras, fit_batch(G), panels_of(args), args.resolution)
    save_video(frames, args.out, args.fps)


def render_epi(G: Generator, args: Args) -> None:
    """One row of pixels over a sweep of the camera, branches above each other."""
    cfg = GalleryConfig(yaw_rad=args.yaw, epi_views=args.views)
    ws, branches = draw_styles(G, args), BRANCHES[args.branch]
    cameras = epi_path(cfg, args.pitch, G.scene).to(ws.device)
    options = args.height, fit_batch(G), branches, args.resolution
    slices = [part for w in ws.split(1) for part in epipolar_images(G, w, cameras, *options)]
    save_png(stack_epipolar(slices), args.out)


def mesh_name(seed: int, suffix: str) -> str:
    """Name of the mesh of an object."""
    return f"seed{seed:04d}{suffix}"


def panels_of(args: Args) -> tuple[Panel, ...]:
    """Panels that are shown of each object."""
    geometry = PANELS[2:] if args.geometry else ()
    return BRANCHES[args.branch] + geometry


def fit_batch(G: Generator) -> int:
    """Objects per forward pass whose planes fit into a share of any memory."""
    cfg = G.config
    levels = 5 if "3d" in trained_branches(G) else 1  # detail planes have twice the side
    floats = 3 * cfg.plane_channels * cfg.plane_resolution**2 * levels
    return max(1, min(LARGEST_BATCH, BATCH_FLOATS // floats))
