"""`mimic3d render mesh` and `splats`: objects as files that other programs open."""

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path

from jaxtyping import Float
from safetensors import safe_open
from torch import Tensor

from mimic3d.gallery.mesh import Mesh, MeshConfig, extract_mesh, generator_field
from mimic3d.gallery.mesh_files import save_mesh
from mimic3d.networks.generator import Generator
from mimic3d.networks.objects import synthesize_objects, trained_branches
from mimic3d.networks.snapshot import META, SnapshotMeta, load_meta
from mimic3d.splats.bake import SplatConfig, bake_splats
from mimic3d.splats.files import save_splats
from mimic3d.splats.quality import splat_psnr
from mimic3d.splats.splats import Splats
from mimic3d.surfaces.background import cut_background
from mimic3d.surfaces.fusion import FusionConfig, fuse_views, view_colors
from mimic3d.surfaces.pose_range import PoseRange, grid_cameras, pose_range, random_cameras
from mimic3d.surfaces.rendered_object import OnCpu
from mimic3d.surfaces.texture import texture_mesh
from tools.render_commands import MESH_FORMATS, draw_styles, mesh_name

HELD_BACK, HELD_BACK_SEED = 8, 1  # cameras that the quality is measured from, drawn at random
SPACING = 1.5  # pixels of the generator's images from one splat to the next; less shows no more


@dataclass(frozen=True)
class MeshOptions:
    """Choices of a mesh."""

    resolution: int | None = None
    """Points along each side of the box; None is the default of each way to a surface."""
    density: float | None = None
    """Density of the surface, 1 / world unit; None: where half of the light is absorbed."""
    background: bool = True
    """False: only the object around the scene's pivot."""
    texture: int | None = None
    """Side of a texture, pixels; None is a colour per vertex."""


DEFAULTS = MeshOptions()


def render_splats(G: Generator, args: argparse.Namespace) -> None:
    """Gaussian splats of each object, as PLY and glTF; prints their number and quality."""
    extent = extent_of(args)
    cfg = splat_config(G, args.resolution, args.spacing, args.max_splats, args.refine)
    for seed, w in zip(args.seeds, draw_styles(G, args).split(1), strict=True):
        start = time.perf_counter()
        paths = [args.out / mesh_name(seed, suffix) for suffix in MESH_FORMATS[args.format]]
        splats = export_splats(G, w, paths, extent, cfg)
        baked = time.perf_counter()
        told = describe(splats, OnCpu(synthesize_objects(G, w)), extent, cfg)
        seconds = f"{baked - start:.1f} s, measured in {time.perf_counter() - baked:.1f} s more"
        print(f"seed {seed}: {told}; {seconds}", flush=True)


def render_meshes(G: Generator, args: argparse.Namespace) -> None:
    """Coloured mesh of each object: the surface at which half of the light is absorbed."""
    options = MeshOptions(args.resolution, args.density, args.background, args.texture)
    for seed, w in zip(args.seeds, draw_styles(G, args).split(1), strict=True):
        paths = [args.out / mesh_name(seed, suffix) for suffix in MESH_FORMATS[args.format]]
        export_mesh(G, w, paths, extent_of(args), options)


def export_splats(
    G: Generator, w: Float[Tensor, "1 l w_dim"], paths: list[Path], extent: PoseRange,
    cfg: SplatConfig | None = None,
) -> Splats:  # fmt: skip
    """Writes the splats of one style, as the suffixes say, as seen from this range of cameras.

    Raises:
        ValueError: the generator has no trained 3D branch, the object absorbs nothing, or numba is
            missing.
    """
    cameras = grid_cameras(extent, G.scene)
    objects = OnCpu(synthesize_objects(G, w))
    splats = bake_splats(objects, cameras, G.scene, cfg or splat_config(G))
    for path in paths:
        save_splats(splats, path)
    return splats


def export_mesh(
    G: Generator, w: Float[Tensor, "1 l w_dim"], paths: list[Path], extent: PoseRange,
    options: MeshOptions = DEFAULTS,
) -> Mesh:  # fmt: skip
    """Writes the mesh of one style, as the suffixes say, as seen from this range of cameras.

    Raises:
        ValueError: there is no such surface, or an optional dependency is missing.
    """
    mesh = mesh_of(OnCpu(synthesize_objects(G, w)), extent, options)
    for path in paths:
        save_mesh(mesh, path)
    return mesh


def mesh_of(objects: OnCpu, extent: PoseRange, options: MeshOptions = DEFAULTS) -> Mesh:
    """Surface at which half of the light is absorbed, or that of one density if it is given.

    Raises:
        ValueError: there is no such surface, or an optional dependency is missing.
    """
    G = objects.objects.G
    size = {} if options.resolution is None else {"resolution": options.resolution}
    cameras, cfg = grid_cameras(extent, G.scene), FusionConfig(**size)
    if options.density is not None:
        field = generator_field(G, objects.objects.ws)
        solid = MeshConfig(density=options.density, **size)
        mesh = extract_mesh(field, G.scene.box_warp, solid)
    else:
        mesh = fuse_views(objects, cameras, G.scene, cfg)
        if len(mesh.faces) == 0:
            raise ValueError(
                "no ray loses half of its light within the box, so there is no surface to write; "
                "--density takes that of one density"
            )
    if not options.background:
        step = G.scene.box_warp / (cfg.resolution - 1)
        mesh = cut_background(mesh, G.scene.pivot, G.scene.box_warp, step)
    if options.texture is None or len(mesh.faces) == 0:
        return mesh
    return texture_mesh(mesh, view_colors(objects, cameras, G.scene, cfg), options.texture)


def extent_of(args: argparse.Namespace) -> PoseRange:
    """Range of the cameras that look at objects: as asked for, or that of the training data."""
    extent = pose_range(average_label(args.snapshot))
    return PoseRange(args.yaw or extent.yaw_rad, args.pitch or extent.pitch_rad)


def average_label(snapshot: Path) -> tuple[float, ...]:
    """Mean camera label of the dataset that a snapshot was trained on.

    `snapshot` is its folder, its description or one weight file, whose header holds that too.
    """
    if snapshot.suffix != ".safetensors":
        return load_meta(snapshot.parent if snapshot.name == META else snapshot).average_label
    with safe_open(snapshot, framework="pt") as file:
        _, text = json.loads(file.metadata()[META])
    return SnapshotMeta.model_validate_json(text).average_label


def splat_config(
    G: Generator, resolution: int | None = None, spacing: int | None = None,
    max_splats: int | None = None, steps: int | None = None,
) -> SplatConfig:  # fmt: skip
    """The choices that are given, and for the rest what suits a generator's images.

    Raises:
        ValueError: it has no trained 3D branch.
    """
    if "3d" not in trained_branches(G):
        raise ValueError(
            "splats show the 3D branch, which a snapshot of `pretrain` has not learnt; use one of "
            "`imitate`"
        )
    given = {"resolution": resolution, "spacing_px": spacing, "max_splats": max_splats}
    cfg = SplatConfig.model_validate({k: v for k, v in given.items() if v is not None})
    if spacing is None:
        coarse = round(SPACING * cfg.resolution / G.config.image_resolution)
        cfg = cfg.model_copy(update={"spacing_px": max(cfg.spacing_px, coarse)})
    if steps is not None:
        cfg = cfg.model_copy(update={"fit": cfg.fit.model_copy(update={"steps": steps})})
    return cfg


def describe(splats: Splats, objects: OnCpu, extent: PoseRange, cfg: SplatConfig) -> str:
    """Number of splats, and their quality from cameras they were not taken from."""
    scene = objects.objects.G.scene
    cameras = random_cameras(extent, scene, HELD_BACK, HELD_BACK_SEED)
    values = splat_psnr(splats, objects, cameras, cfg.resolution, float(scene.white_back))
    mean = sum(values) / len(values)
    return (
        f"{len(splats):,} splats, {mean:.1f} dB ({min(values):.1f} to {max(values):.1f}) from "
        f"{HELD_BACK} cameras held back, yaw to {extent.yaw_rad:.2f} and pitch to "
        f"{extent.pitch_rad:.2f} rad, {cfg.resolution} px"
    )
