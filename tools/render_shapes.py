"""`mimic3d render mesh` and `splats`: objects as files that other programs open."""

import argparse
import json
import time
from pathlib import Path

from safetensors import safe_open

from mimic3d.gallery.mesh import Mesh, MeshConfig, extract_mesh, generator_field
from mimic3d.gallery.mesh_files import save_mesh
from mimic3d.networks.generator import Generator
from mimic3d.networks.objects import synthesize_objects, trained_branches
from mimic3d.networks.snapshot import META, SnapshotMeta, load_meta
from mimic3d.splats.bake import SplatConfig, bake_splats
from mimic3d.splats.files import save_splats
from mimic3d.splats.quality import splat_psnr
from mimic3d.splats.splats import Splats
from mimic3d.surfaces.fusion import FusionConfig, fuse_views, keep_around
from mimic3d.surfaces.pose_range import PoseRange, grid_cameras, pose_range, random_cameras
from mimic3d.surfaces.rendered_object import OnCpu
from tools.render_commands import MESH_FORMATS, draw_styles, mesh_name

HELD_BACK, HELD_BACK_SEED = 8, 1  # cameras that the quality is measured from, drawn at random
FINEST_PX = 2  # splats per pixel of the generator's images, along an axis; more show no more


def render_splats(G: Generator, args: argparse.Namespace) -> None:
    """Gaussian splats of each object, as PLY and glTF; prints their number and quality."""
    extent = extent_of(args)
    cfg = splat_config(G, args.resolution, args.spacing, args.max_splats)
    for seed, w in zip(args.seeds, draw_styles(G, args).split(1), strict=True):
        objects, start = OnCpu(synthesize_objects(G, w)), time.perf_counter()
        splats = bake_splats(objects, grid_cameras(extent, G.scene), G.scene, cfg)
        seconds = time.perf_counter() - start
        for suffix in MESH_FORMATS[args.format]:
            save_splats(splats, args.out / mesh_name(seed, suffix))
        print(f"seed {seed}: {describe(splats, objects, extent, cfg)}; {seconds:.1f} s", flush=True)


def render_meshes(G: Generator, args: argparse.Namespace) -> None:
    """Coloured mesh of each object: the surface at which half of the light is absorbed."""
    for seed, w in zip(args.seeds, draw_styles(G, args).split(1), strict=True):
        objects = OnCpu(synthesize_objects(G, w))
        mesh = mesh_of(objects, extent_of(args), args.resolution, args.density, args.background)
        for suffix in MESH_FORMATS[args.format]:
            save_mesh(mesh, args.out / mesh_name(seed, suffix))


def mesh_of(
    objects: OnCpu, extent: PoseRange, resolution: int | None = None,
    density: float | None = None, background: bool = True,
) -> Mesh:  # fmt: skip
    """Surface at which half of the light is absorbed, or that of one density if it is given.

    Without `background` only the part around the scene's pivot.

    Raises:
        ValueError: there is no such surface.
    """
    G, size = objects.objects.G, {} if resolution is None else {"resolution": resolution}
    if density is not None:
        cfg = MeshConfig(density=density, **size)
        field = generator_field(G, objects.objects.ws)
        mesh = extract_mesh(field, G.scene.box_warp, cfg)
    else:
        mesh = fuse_views(objects, grid_cameras(extent, G.scene), G.scene, FusionConfig(**size))
        if len(mesh.faces) == 0:
            raise ValueError(
                "no ray loses half of its light within the box, so there is no surface to write; "
                "--density takes that of one density"
            )
    return mesh if background else keep_around(mesh, G.scene.pivot)


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
    G: Generator, resolution: int | None, spacing: int | None, max_splats: int | None
) -> SplatConfig:
    """What was asked for, and for the rest what suits a generator's images.

    Raises:
        ValueError: it has no trained 3D branch.
    """
    if "3d" not in trained_branches(G):
        raise ValueError(
            "splats show the 3D branch, which a snapshot of `pretrain` has not learnt; use one of "
            "`imitate`"
        )
    given = {"resolution": resolution, "spacing_px": spacing, "max_splats": max_splats}
    cfg = SplatConfig(**{name: value for name, value in given.items() if value is not None})
    if spacing is None:
        finest = FINEST_PX * G.config.image_resolution
        cfg = cfg.model_copy(update={"spacing_px": max(1, cfg.resolution // finest)})
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
