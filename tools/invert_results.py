"""Files of an inverted photo: styles, tuned snapshot, pictures, numbers and the page of them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from mimic3d.atomic import atomic_folder, check_parents
from mimic3d.gallery.animation import orbit_frames
from mimic3d.gallery.config import GalleryConfig
from mimic3d.gallery.paths import orbit_path
from mimic3d.gallery.stills import labelled_rows, save_png
from mimic3d.gallery.video import save_video
from mimic3d.inversion.domain import DomainConfig, DomainReference, depth_relief
from mimic3d.inversion.encoder import Encoder
from mimic3d.inversion.inversion import PHASES, Inversion, InversionConfig, InversionPhase
from mimic3d.inversion.reconstruction import Reconstruction
from mimic3d.inversion.style_files import W_FILE, W_PLUS_FILE, save_style
from mimic3d.metrics.similarity import psnr
from mimic3d.metrics.views import unit_range
from mimic3d.networks.generator import Generator
from mimic3d.networks.objects import Objects
from mimic3d.networks.snapshot import SnapshotMeta, save_snapshot
from tools.invert_inputs import NamedTarget
from tools.invert_page import write_page
from tools.outputs import check_file, owned_files
from tools.render_commands import fit_batch

COMMAND = "invert"
REPORT, PAGE = "report.json", "report.html"
PICTURE, ORBIT = "side_by_side.png", "orbit.mp4"
SNAPSHOT = "snapshot"
NAMES = (
    W_FILE, W_PLUS_FILE, REPORT, PAGE, PICTURE, ORBIT,
    f"{SNAPSHOT}/snapshot.json", f"{SNAPSHOT}/G_ema.safetensors", f"{SNAPSHOT}/{W_FILE}",
)  # fmt: skip
PLAUSIBLE = (0.01, 0.99)  # quantiles of the generator's own samples
FPS = 24


@dataclass(frozen=True)
class InversionContext:
    """Generator, networks and settings that all photos of a command share."""

    G: Generator
    meta: SnapshotMeta
    average_label: Float[Tensor, "1 25"]
    reconstruction: Reconstruction
    cfg: InversionConfig
    reference: DomainReference
    domain: DomainConfig
    encoder: Encoder | None
    generator_hash: str


def check_result(folder: Path) -> None:
    """Raises ValueError if the folder of a result holds what this command did not write."""
    check_parents(folder, COMMAND)
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        check_file(COMMAND, folder)
    for path in (*_files(folder), *(folder / name for name in NAMES)):
        check_file(COMMAND, path)


def is_finished(folder: Path, key: str) -> bool:
    """True if the folder has the results of the same inversion."""
    try:
        return json.loads((folder / REPORT).read_text())["key"] == key
    except (OSError, ValueError, KeyError, TypeError):
        return False


def write_result(
    context: InversionContext, item: NamedTarget, inversion: Inversion, folder: Path, key: str,
    seconds: float,
) -> None:  # fmt: skip
    """Writes all files of a result at once, and says the most important numbers."""
    tuned = inversion.answer("tuned").objects
    report = measure(context, item, inversion) | {"key": key, "seconds": round(seconds, 1)}
    with owned_files(COMMAND, [folder / name for name in NAMES]), atomic_folder(folder) as tmp:
        w = inversion.answer("w").objects.ws[0, 0]
        save_style(tmp / W_FILE, w)
        save_style(tmp / W_PLUS_FILE, inversion.answer("w_plus").objects.ws[0])
        meta = context.meta.model_copy(update={"selection": None, "sha256": {}})
        save_snapshot(tmp / SNAPSHOT, meta, {"G_ema": tuned.G})
        save_style(tmp / SNAPSHOT / W_FILE, w)
        with torch.inference_mode():
            picture = labelled_rows(list(_rows(context, inversion)))
            save_png(picture, tmp / PICTURE)
            cameras = orbit_path(GalleryConfig(), 0.0, tuned.G.scene).to(tuned.device)
            frames = orbit_frames(tuned.G, tuned.ws, cameras, fit_batch(tuned.G), ("3d", "normals"))
            save_video(frames, tmp / ORBIT, FPS)
        (tmp / REPORT).write_text(json.dumps(report, indent=2) + "\n")
        write_page(tmp / PAGE, item.name, report, picture, inversion.losses)
    scores = report["scores"]
    print(
        f"{item.name}: w {scores['w']['psnr_db']:.1f} dB, w+ {scores['w_plus']['psnr_db']:.1f} dB, "
        f"tuned {scores['tuned']['psnr_db']:.1f} dB, {seconds:.0f} s, {folder}",
        flush=True,
    )
    for sentence in report["notes"]:
        print(f"{item.name}: {sentence}", flush=True)


@torch.no_grad()
def measure(context: InversionContext, item: NamedTarget, inversion: Inversion) -> dict[str, Any]:
    """Numbers of an inversion, and sentences about what is unusual of it."""
    scores = {phase: _score(context, inversion, phase) for phase in PHASES}
    ratio = context.reference.ratio(scores["w_plus"]["perceptual"])
    relief = context.reference.quantile(scores["tuned"]["depth_relief"])
    is_far = ratio >= context.domain.far_ratio
    notes = list(item.notes)
    if is_far:
        notes.append(
            f"this is far from what the generator knows: its best style leaves {ratio:.0%} of the "
            f"distance of two random samples ({context.domain.far_ratio:.0%} and more is far); the "
            f"tuned weights paint the photo, other views are not to be trusted"
        )
    if not PLAUSIBLE[0] <= relief <= PLAUSIBLE[1]:
        words = "flatter" if relief < PLAUSIBLE[0] else "deeper"
        notes.append(f"the depth of the tuned object is {words} than that of all random samples")
    correction = inversion.correction
    return {
        "name": item.name,
        "photos": len(inversion.target),
        "scores": scores,
        "domain": {
            "ratio": ratio,
            "far_ratio": context.domain.far_ratio,
            "is_far": is_far,
            "relief_quantile": relief,
        },
        "camera_correction": {
            "rotation_deg": correction.degrees.tolist(),
            "translation": correction.distance.tolist(),
        },
        "steps": {phase: len(losses) for phase, losses in inversion.losses.items()},
        "renderer": context.G.backend.name,
        "generator": context.generator_hash,
        "config": context.cfg.model_dump(mode="json"),
        "notes": notes,
    }


def _score(
    context: InversionContext, inversion: Inversion, phase: InversionPhase
) -> dict[str, Any]:
    """Means over the photos; identity is null where no network was given."""
    answer, target = inversion.answer(phase), inversion.target.images
    view = answer.objects.render(answer.cameras)
    flat = answer.objects.render(answer.cameras, "2d").image
    identity = context.reconstruction.identity
    return {
        "l2": float((view.image - target).square().mean()),
        "psnr_db": _psnr(view.image, target),
        "psnr_2d_db": _psnr(flat, target),
        "perceptual": float(context.reconstruction.perceptual(view.image, target).mean()),
        "identity_cos": None if identity is None else float(identity(view.image, target).mean()),
        "style_distance": inversion.squared_distance(answer.objects.ws) ** 0.5,
        "depth_relief": depth_relief(view.depth[:1], view.alpha[:1], context.G.scene),
    }


def _psnr(images: Float[Tensor, "n 3 h w"], target: Float[Tensor, "n 3 h w"]) -> float:
    mask = torch.ones_like(target[:, :1])
    return float(psnr(unit_range(images), unit_range(target), mask).mean())


def _rows(
    context: InversionContext, inversion: Inversion
) -> Iterator[tuple[str, Float[Tensor, "_ 3 h w"]]]:
    """The photos, and below them what each part makes of them, from aside in the last columns."""
    objects = inversion.answer("tuned").objects
    cfg = GalleryConfig(num_frames=4)
    around = orbit_path(cfg, 0.0, objects.G.scene).to(objects.device)[1::2]
    photos = inversion.target.images
    yield "photo" if len(photos) == 1 else "photos", photos.cpu()
    labels = {"w": "w", "w_plus": "w+", "tuned": "tuned"}
    for phase in PHASES:
        answer = inversion.answer(phase)
        images = [answer.objects.render(answer.cameras).image, _aside(answer.objects, around)]
        yield f"{labels[phase]}, 3D branch; from aside", torch.cat(images).clamp(-1, 1).cpu()
    answer = inversion.answer("tuned")
    flat = answer.objects.render(answer.cameras, "2d").image
    yield "tuned, 2D branch", flat.clamp(-1, 1).cpu()


def _aside(objects: Objects, cameras: Any) -> Float[Tensor, "n 3 h w"]:
    return objects.render(cameras).image


def _files(folder: Path) -> list[Path]:
    """Files and links in a folder of results; a folder of another name counts as one."""
    if not folder.is_dir():
        return []
    inner = folder / SNAPSHOT
    is_folder = inner.is_dir() and not inner.is_symlink()
    entries = [path for path in folder.iterdir() if path != inner or not is_folder]
    return [*entries, *(inner.iterdir() if is_folder else [])]
