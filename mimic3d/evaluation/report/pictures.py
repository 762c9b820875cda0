"""Pictures, videos and meshes of an evaluation: drawn into its folder, and named for the report."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from mimic3d.cameras import Cameras, cameras_from_labels
from mimic3d.evaluation.context import EvaluationContext
from mimic3d.evaluation.report.content import ReportPicture
from mimic3d.evaluation.report.results import EvaluationResult
from mimic3d.evaluation.sampling import draw_latents
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

WORST_BY = ("warp_psnr_at_0.2", "depth_contra_at_0.2", "nfs")
"""Scores that choose the objects of the gallery of the worst, where they were taken."""

LARGEST_ROW = 128  # pixels: there are twice as many views in a row as in the strip


@dataclass(frozen=True)
class PictureContext:
    """The generator, the cameras and the sizes of all pictures."""

    evaluation: EvaluationContext
    labels: Float[Tensor, "m 25"]
    """Cameras of the dataset; the grid draws from them."""
    cfg: GalleryConfig

    @property
    def batch(self) -> int:
        """Objects per forward pass."""
        return self.evaluation.sampling.batch

    def styles(self, identities: Iterable[int]) -> Float[Tensor, "n l d"]:
        """Styles of the objects that the multi-view scores are of, by their numbers."""
        G, sampling = self.evaluation.G, self.evaluation.sampling
        draws = [draw_latents(i, 1, G.config.z_dim, 1, sampling.seed)[0] for i in identities]
        z = torch.cat(draws).to(self.labels.device)
        label = self.evaluation.average_label.expand(len(z), -1)
        return G.mapping(z, label, sampling.truncation_psi)

    def strip(self) -> Cameras:
        """Cameras from side to side."""
        path = strip_path(self.cfg, self.evaluation.pitch_rad, self.evaluation.G.scene)
        return path.to(self.labels.device)


def draw_report_pictures(
    pictures: PictureContext, result: EvaluationResult, video: bool, folder: Path
) -> list[ReportPicture]:
    """Draws all files into `folder`; returns the pictures among them, for the report."""
    drawn = [_grid(pictures), _strip(pictures), _epi(pictures), *_worst(pictures, result)]
    for name, picture in zip(("grid", "orbit", "epi", "worst"), drawn, strict=False):
        save_png(picture.image, folder / f"{name}.png")
    if video:
        _videos(pictures, folder)
    G, cfg = pictures.evaluation.G, pictures.cfg
    for number in range(cfg.num_meshes):
        w = pictures.styles([number])
        mesh = extract_mesh(generator_field(G, w), G.scene.box_warp, cfg.mesh)
        if len(mesh.faces) == 0:
            result.notices.append(
                f"Object {number} has no surface of density {cfg.mesh.density:g}, its greatest is "
                f"{mesh.densities[1]:.3g}: no mesh was written "
                f"(evaluate.gallery.mesh.density moves the threshold)."
            )
            continue
        for suffix in SUFFIXES:
            save_mesh(mesh, folder / "meshes" / f"object{number}{suffix}")
    return drawn


def _grid(pictures: PictureContext) -> ReportPicture:
    G, sampling, labels = pictures.evaluation.G, pictures.evaluation.sampling, pictures.labels
    num = pictures.cfg.num_samples
    z, rows = draw_latents(0, num, G.config.z_dim, len(labels), sampling.seed)
    c = labels[rows.to(labels.device)]
    ws = G.mapping(z.to(labels.device), c, sampling.truncation_psi)
    panels = compare_branches(G, ws, cameras_from_labels(c), pictures.batch)
    return ReportPicture(
        "Samples",
        image_grid(panels.side_by_side(), pictures.cfg.columns),
        "Each object by the 2D branch, the 3D branch, its depth (near is yellow) and its normals; "
        "not chosen: the first seeds, from cameras of the dataset.",
        "Grid of generated objects with depth and normals",
    )


def _strip(pictures: PictureContext) -> ReportPicture:
    G, cfg = pictures.evaluation.G, pictures.cfg
    panels = compare_orbit(G, pictures.styles([0]), pictures.strip(), pictures.batch)
    return ReportPicture(
        "From side to side",
        image_grid(panels.stacked(), cfg.strip_views),
        f"One object from yaw {-cfg.yaw_rad:g} to {cfg.yaw_rad:g} rad: 2D branch, 3D branch, "
        f"depth, normals.",
        "One object from several sides",
    )


def _epi(pictures: PictureContext) -> ReportPicture:
    G, cfg = pictures.evaluation.G, pictures.cfg
    path = epi_path(cfg, pictures.evaluation.pitch_rad, G.scene).to(pictures.labels.device)
    images = epipolar_images(G, pictures.styles([0]), path, cfg.epi_height, pictures.batch)
    return ReportPicture(
        "Epipolar image",
        stack_epipolar(images),
        f"One row of pixels over {cfg.epi_views} cameras from side to side, 2D branch above 3D "
        f"branch: smooth lines are a rigid object, vertical ones stick to the screen, broken ones "
        f"flicker.",
        "Epipolar image of both branches",
    )


def _worst(pictures: PictureContext, result: EvaluationResult) -> list[ReportPicture]:
    """The objects of the 3D branch that do worst by each of a few scores; none without scores."""
    G, samples = pictures.evaluation.G, result.samples
    taken = set(samples[samples["branch"] == "3d"]["metric"])
    path, side = pictures.strip(), min(LARGEST_ROW, G.config.image_resolution)
    rows = []
    for metric in [name for name in WORST_BY if name in taken]:
        values = _values(samples, metric)
        for identity in worst_identities(samples, "3d", metric, pictures.cfg.num_worst):
            ws = pictures.styles([identity])
            panels = compare_orbit(G, ws, path, pictures.batch, ("2d", "3d"), side).panels
            text = f"identity {identity}: {metric} {values[identity]:.3g}; left 2D, right 3D branch"
            rows.append((text, torch.cat([panels["2d"], panels["3d"]])))
    if not rows:
        return []
    caption = "Objects of the 3D branch with the worst scores, each from side to side."
    picture = labelled_rows(rows)
    return [ReportPicture("Worst cases", picture, caption, "Objects with the worst scores")]


def _values(samples: pd.DataFrame, metric: str) -> dict[int, float]:
    """Scores of the 3D branch by object."""
    rows = samples[(samples["branch"] == "3d") & (samples["metric"] == metric)]
    return dict(zip(rows["identity"], rows["value"], strict=True))


def _videos(pictures: PictureContext, folder: Path) -> None:
    G, cfg, batch = pictures.evaluation.G, pictures.cfg, pictures.batch
    device, pitch = pictures.labels.device, pictures.evaluation.pitch_rad
    orbit = orbit_path(cfg, pitch, G.scene).to(device)
    frames = orbit_frames(G, pictures.styles([0]), orbit, batch)
    save_video(frames, folder / "orbit.mp4", cfg.frames_per_second)
    stops = pictures.styles(range(cfg.interpolation_stops))
    ws = interpolate_styles(stops, cfg.interpolation_frames)
    cameras = interpolation_path(cfg, pitch, G.scene).to(device)
    frames = morph_frames(G, ws, cameras, batch)
    save_video(frames, folder / "interpolation.mp4", cfg.frames_per_second)
