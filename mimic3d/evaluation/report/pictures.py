"""Pictures, videos and meshes of an evaluation: drawn into its folder, and named for the report."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from mimic3d.cameras import cameras_from_labels
from mimic3d.evaluation.report.content import Picture
from mimic3d.evaluation.report.results import Findings
from mimic3d.evaluation.sampling import SamplingConfig, draw_latents
from mimic3d.evaluation.views.summary import worst_identities
from mimic3d.gallery.animation import morph_frames, orbit_frames
from mimic3d.gallery.config import GalleryConfig
from mimic3d.gallery.epi import epipolar_images, stack_epipolar
from mimic3d.gallery.mesh import extract_mesh, generator_field
from mimic3d.gallery.mesh_files import SUFFIXES, save_mesh
from mimic3d.gallery.panels import compare_branches, compare_orbit
from mimic3d.gallery.paths import (
    epi_path,
    interpolate_styles,
    interpolation_path,
    orbit_path,
    strip_path,
)
from mimic3d.gallery.stills import image_grid, labelled_rows, save_png
from mimic3d.gallery.video import save_video
from mimic3d.networks.generator import Generator

WORST_BY = ("warp_psnr_at_0.2", "depth_contra_at_0.2", "nfs")
"""Which scores choose the objects of the gallery of the worst, where they were taken."""

LARGEST_ROW = 128  # pixels: there are twice as many views in a row as in the strip


@dataclass(frozen=True)
class Stage:
    """What is shown, and from where."""

    G: Generator
    labels: Float[Tensor, "m 25"]
    """Cameras of the dataset; the grid draws from them."""
    average_label: Float[Tensor, "1 25"]
    """Conditions G where only the camera that renders moves."""
    pitch_rad: float
    """Of cameras that circle at one height."""

    def styles(self, identities: Iterable[int], sampling: SamplingConfig) -> Float[Tensor, "n l d"]:
        """Styles of the objects that the multi-view scores look at, by their numbers."""
        draws = [draw_latents(i, 1, self.G.config.z_dim, 1, sampling.seed)[0] for i in identities]
        z = torch.cat(draws).to(self.labels.device)
        label = self.average_label.expand(len(z), -1)
        return self.G.mapping(z, label, sampling.truncation_psi)


def draw_exhibits(
    stage: Stage, findings: Findings, cfg: GalleryConfig, sampling: SamplingConfig, video: bool,
    folder: Path,
) -> list[Picture]:  # fmt: skip
    """Draw everything into `folder`; the pictures among it, for the report."""
    pictures = [
        _grid(stage, cfg, sampling),
        _strip(stage, cfg, sampling),
        _epi(stage, cfg, sampling),
        *_worst(stage, findings, cfg, sampling),
    ]
    for name, picture in zip(("grid", "orbit", "epi", "worst"), pictures, strict=False):
        save_png(picture.image, folder / f"{name}.png")
    if video:
        _videos(stage, cfg, sampling, folder)
    for number in range(cfg.num_meshes):
        w = stage.styles([number], sampling)
        mesh = extract_mesh(generator_field(stage.G, w), stage.G.scene.box_warp, cfg.mesh)
        if len(mesh.faces) == 0:
            findings.notices.append(
                f"Object {number} has no surface of density {cfg.mesh.density:g}, its greatest is "
                f"{mesh.densities[1]:.3g}: no mesh was written "
                f"(evaluate.gallery.mesh.density moves the threshold)."
            )
            continue
        for suffix in SUFFIXES:
            save_mesh(mesh, folder / "meshes" / f"object{number}{suffix}")
    return pictures


def _grid(stage: Stage, cfg: GalleryConfig, sampling: SamplingConfig) -> Picture:
    z_dim, labels = stage.G.config.z_dim, stage.labels
    z, rows = draw_latents(0, cfg.num_samples, z_dim, len(labels), sampling.seed)
    c = labels[rows.to(labels.device)]
    ws = stage.G.mapping(z.to(labels.device), c, sampling.truncation_psi)
    shown = compare_branches(stage.G, ws, cameras_from_labels(c), sampling.batch)
    return Picture(
        "Samples",
        image_grid(shown.side_by_side(), cfg.columns),
        "Each object by the 2D branch, the 3D branch, its depth (near is yellow) and its normals; "
        "not chosen: the first seeds, seen by cameras of the dataset.",
        "Grid of generated objects with depth and normals",
    )


def _strip(stage: Stage, cfg: GalleryConfig, sampling: SamplingConfig) -> Picture:
    path = strip_path(cfg, stage.pitch_rad, stage.G.scene).to(stage.labels.device)
    shown = compare_orbit(stage.G, stage.styles([0], sampling), path, sampling.batch)
    return Picture(
        "From side to side",
        image_grid(shown.stacked(), cfg.strip_views),
        f"One object from yaw {-cfg.yaw_rad:g} to {cfg.yaw_rad:g} rad: 2D branch, 3D branch, "
        f"depth, normals.",
        "One object from several sides",
    )


def _epi(stage: Stage, cfg: GalleryConfig, sampling: SamplingConfig) -> Picture:
    path = epi_path(cfg, stage.pitch_rad, stage.G.scene).to(stage.labels.device)
    ws = stage.styles([0], sampling)
    return Picture(
        "Epipolar image",
        stack_epipolar(epipolar_images(stage.G, ws, path, cfg.epi_height, sampling.batch)),
        f"One row of pixels over {cfg.epi_views} cameras from side to side, 2D branch above 3D "
        f"branch: smooth lines are a rigid object, vertical ones stick to the screen, broken ones "
        f"flicker.",
        "Epipolar image of both branches",
    )


def _worst(
    stage: Stage, findings: Findings, cfg: GalleryConfig, sampling: SamplingConfig
) -> list[Picture]:
    """The objects of the 3D branch that do worst by each of a few scores; none without scores."""
    samples = findings.samples
    taken = set(samples[samples["branch"] == "3d"]["metric"])
    path = strip_path(cfg, stage.pitch_rad, stage.G.scene).to(stage.labels.device)
    side = min(LARGEST_ROW, stage.G.config.image_resolution)
    rows = []
    for metric in [name for name in WORST_BY if name in taken]:
        values = dict(zip(*_values(samples, metric), strict=True))
        for identity in worst_identities(samples, "3d", metric, cfg.num_worst):
            ws = stage.styles([identity], sampling)
            seen = compare_orbit(stage.G, ws, path, sampling.batch, ("2d", "3d"), side).panels
            text = f"identity {identity}: {metric} {values[identity]:.3g}; left 2D, right 3D branch"
            rows.append((text, torch.cat([seen["2d"], seen["3d"]])))
    if not rows:
        return []
    caption = "Objects of the 3D branch with the worst scores, each from side to side."
    return [Picture("Worst cases", labelled_rows(rows), caption, "Objects with the worst scores")]


def _values(samples: pd.DataFrame, metric: str) -> tuple[list[int], list[float]]:
    """Objects of the 3D branch and their scores."""
    some = samples[(samples["branch"] == "3d") & (samples["metric"] == metric)]
    return list(some["identity"]), list(some["value"])


def _videos(stage: Stage, cfg: GalleryConfig, sampling: SamplingConfig, folder: Path) -> None:
    G, batch, device = stage.G, sampling.batch, stage.labels.device
    orbit = orbit_path(cfg, stage.pitch_rad, G.scene).to(device)
    frames = orbit_frames(G, stage.styles([0], sampling), orbit, batch)
    save_video(frames, folder / "orbit.mp4", cfg.frames_per_second)
    stops = stage.styles(range(cfg.interpolation_stops), sampling)
    way = interpolate_styles(stops, cfg.interpolation_frames)
    cameras = interpolation_path(cfg, stage.pitch_rad, G.scene).to(device)
    save_video(
        morph_frames(G, way, cameras, batch), folder / "interpolation.mp4", cfg.frames_per_second
    )
