"""The probe of a synthetic dataset: trained once, on subjects of its own, and kept."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from filelock import FileLock
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

import mimic3d.metrics
import mimic3d.synthetic
from mimic3d.cameras import orbit_cameras
from mimic3d.config import Config
from mimic3d.data.schema import Manifest, Subjects
from mimic3d.evaluation.share import Share
from mimic3d.evaluation.truth import other_subject, render_true_views
from mimic3d.evaluation.views.angles import draw_wide_angles
from mimic3d.evaluation.views.objects import Sitter
from mimic3d.metrics.probe import (
    Probe,
    ProbeConfig,
    ProbeReadings,
    ProbeViews,
    load_probe,
    read_views,
    save_probe,
    train_probe,
)


class ProbingConfig(Config):
    """What a probe learns from, and what it is shown."""

    num_views: int = Field(default=4, ge=2)
    """Views of each object that it reads."""
    num_train_identities: int = Field(default=256, ge=2)
    """Subjects that it learns from; none of them is in the dataset."""
    num_train_views: int = Field(default=8, ge=2)
    """Views of each of them."""
    network: ProbeConfig = ProbeConfig()
    """The network and its training."""


def obtain_probe(
    manifest: Manifest, subjects: Subjects, resolution: int, cfg: ProbingConfig, cache: Path,
    share: Share,
) -> Probe:  # fmt: skip
    """The probe of a dataset for images of this resolution, on the CPU; the first call trains it.

    One process trains or reads it and hands it to the others. It is trained on one thread of the
    CPU, which takes a minute and always gives the same bits.
    """
    mine = []
    if share.rank == 0:
        side = min(resolution, cfg.network.resolution)
        record = {"fingerprint": manifest.fingerprint, "side": side, "code": code_stamp()}
        path = cache / f"probe-{_digest(record | cfg.model_dump(mode='json'))}.safetensors"
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            if not path.is_file():
                views = photograph_others(manifest, subjects, side, cfg)
                with _one_thread():
                    save_probe(train_probe(views, cfg.network, torch.device("cpu")), path)
        mine = [load_probe(path, torch.device("cpu"))]
    return share.gather_objects(mine)[0]


def photograph_others(
    manifest: Manifest, subjects: Subjects, resolution: int, cfg: ProbingConfig
) -> ProbeViews:
    """Views of subjects that are in no split of the dataset, from all sides that it knows."""
    shape = cfg.num_train_identities, cfg.num_train_views
    angles = draw_wide_angles(manifest, shape[0] * shape[1], subjects.seed)
    shown = [
        subject
        for number in range(shape[0])
        for subject in [other_subject(subjects, number)] * shape[1]
    ]
    cameras = orbit_cameras(angles[:, 0], angles[:, 1], manifest.scene)
    images = render_true_views(shown, cameras, resolution, subjects).images
    pixels = (images * 127.5 + 127.5).round().to(torch.uint8)
    return ProbeViews(pixels.unflatten(0, shape), angles.unflatten(0, shape))


def read_sitter(probe: Probe, sitter: Sitter, angles: Float[Tensor, "v 2"]) -> ProbeReadings:
    """What the probe sees in views of one object, on the CPU."""
    images = [sitter(yaw, pitch).image for yaw, pitch in angles.tolist()]
    found = read_views(probe, torch.stack(images, dim=1))
    return ProbeReadings(found.angles.cpu(), found.embeddings.cpu())


def code_stamp() -> str:
    """Changes with the code of the metrics and of the true renderings: what is cached is theirs."""
    digest = hashlib.sha256()
    for package in (mimic3d.metrics, mimic3d.synthetic):
        for path in sorted(Path(str(package.__file__)).parent.rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _digest(record: dict[str, object]) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()[:16]


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
