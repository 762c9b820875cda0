"""The probe of a synthetic dataset: trained once, on subjects of its own, and kept."""

import hashlib
import json
from collections.abc import Iterator, Sequence
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
from mimic3d.content_hash import text_hash
from mimic3d.data.schema import Manifest, Subjects
from mimic3d.evaluation.context import EvaluationContext
from mimic3d.evaluation.metric_info import MetricInfo
from mimic3d.evaluation.truth import other_subject, render_true_views
from mimic3d.evaluation.views.metric import JointViewMetric, Row
from mimic3d.evaluation.views.objects import ObjectViews, ViewSource, draw_wide_angles
from mimic3d.metrics.probe import (
    Probe,
    ProbeConfig,
    ProbeReadings,
    ProbeViews,
    load_probe,
    probe_scores,
    read_views,
    save_probe,
    train_probe,
)


class ProbingConfig(Config):
    """Views that a probe learns from, and those that it reads."""

    num_views: int = Field(default=4, ge=2)
    """Views of each object that it reads."""
    num_train_identities: int = Field(default=256, ge=2)
    """Subjects that it learns from; none of them is in the dataset."""
    num_train_views: int = Field(default=8, ge=2)
    """Views of each of them."""
    network: ProbeConfig = ProbeConfig()
    """The network and its training."""


class ProbeMetric(JointViewMetric[ProbingConfig]):
    """Pose and identity as the probe reads them, on synthetic datasets only.

    The likeness of two different true objects is the floor of that of two views of one.
    """

    name = "probe"
    config = ProbingConfig
    description = "pose and identity (synthetic datasets only)"
    infos = (
        MetricInfo("probe_yaw_deg", "degrees", "low", "Yaw asked for against yaw read by a probe."),
        MetricInfo("probe_pitch_deg", "degrees", "low", "The same of the pitch."),
        MetricInfo("probe_id_cos", "", "high", "Likeness of two views of an object to the probe."),
        MetricInfo("probe_id_floor", "", "low", "Likeness of two objects; high if all look alike."),
    )

    def observe(self, views: ObjectViews) -> ProbeReadings | None:
        """Readings of the probe in the first drawn views."""
        if self.networks.probe is None:
            return None
        angles = views.angles[: self.cfg.num_views]
        return probe_readings(self.networks.probe, views.source, angles)

    def score(
        self, branch: str, observed: Sequence[ProbeReadings], angles: Sequence[Float[Tensor, "v 2"]]
    ) -> list[Row]:
        """Scores of all objects of a branch."""
        together = ProbeReadings(
            torch.cat([one.angles for one in observed]),
            torch.cat([one.embeddings for one in observed]),
        )
        asked = torch.stack([drawn[: self.cfg.num_views] for drawn in angles])
        rows: list[Row] = []
        for name, values in vars(probe_scores(together, asked)).items():
            where, metric = branch, name
            if name == "probe_id_floor":
                if len(observed) < 2:
                    continue  # there is no other object
                if branch == "ceiling":
                    where, metric = "floor", "probe_id_cos"
            rows += [
                (where, metric, identity, value.item()) for identity, value in enumerate(values)
            ]
        return rows


def obtain_probe(ctx: EvaluationContext, subjects: Subjects, cfg: ProbingConfig) -> Probe:
    """The probe of a dataset for images of the measured size, on the CPU; trained if need be.

    One process trains or reads it and hands it to the others. It is trained on one thread of the
    CPU, which takes a minute and always gives the same bits.
    """
    mine = []
    if ctx.group.rank == 0:
        side = min(ctx.resolution, cfg.network.resolution)
        record = {"fingerprint": ctx.manifest.fingerprint, "side": side, "code": code_hash()}
        name = _content_hash(record | cfg.model_dump(mode="json"))
        path = ctx.cache / f"probe-{name}.safetensors"
        ctx.cache.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            if not path.is_file():
                views = photograph_others(ctx.manifest, subjects, side, cfg)
                with _one_thread():
                    save_probe(train_probe(views, cfg.network, torch.device("cpu")), path)
        mine = [load_probe(path, torch.device("cpu"))]
    return ctx.group.gather_objects(mine)[0]


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


def probe_readings(probe: Probe, source: ViewSource, angles: Float[Tensor, "v 2"]) -> ProbeReadings:
    """Pose and embedding that the probe reads in views of one object, on the CPU."""
    images = [source(yaw, pitch).image for yaw, pitch in angles.tolist()]
    readings = read_views(probe, torch.stack(images, dim=1))
    return ProbeReadings(readings.angles.cpu(), readings.embeddings.cpu())


def code_hash() -> str:
    """Hash of the code of metrics and of true renderings, which cached results depend on."""
    content = hashlib.sha256()
    for package in (mimic3d.metrics, mimic3d.synthetic):
        for path in sorted(Path(str(package.__file__)).parent.rglob("*.py")):
            content.update(path.read_bytes())
    return content.hexdigest()


def _content_hash(record: dict[str, object]) -> str:
    return text_hash(json.dumps(record, sort_keys=True))[:16]


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
