"""Images and cameras -> data/<name>/: Parquet shards, manifest, rejects; reports/prepare/."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.csv
from filelock import FileLock, Timeout
from jaxtyping import Float32
from pydantic import Field

from mimic3d.atomic import atomic_folder, check_replaceable
from mimic3d.content_hash import text_hash
from mimic3d.preparation.balance import RebalanceConfig, pose_weights
from mimic3d.preparation.gates import LAST_GATES, GatesConfig
from mimic3d.preparation.partial_dataset import PartialDataset
from mimic3d.preparation.report.files import Preparation, write_failure_report, write_report
from mimic3d.preparation.report.page import Failure
from mimic3d.preparation.review import (
    ImageOutcome,
    check_outcomes,
    collect_outcomes,
    count_gates,
    rejects_table,
)
from mimic3d.preparation.rows import PHOTO_SCHEMA, SHARD_SCHEMA
from mimic3d.preparation.shards import DatasetInfo, shard_images, write_dataset
from mimic3d.preparation.sources.mirrored_copies import settle_mirroring
from mimic3d.preparation.sources.plan import DatasetPlan
from pipeline.code_hash import hash_modules, join_hashes
from pipeline.project import INPUTS, ProjectPaths
from pipeline.stage import main
from pipeline.tracking.tracker import Tracker
from stages.sources import SourceConfig, check_source, hash_source, plan_source

OWN_FILES = ("manifest.json", "rejects.parquet", "*-of-*.parquet", "template.json", ".gitignore")
"""Files of a dataset; a folder that holds others is not replaced."""
EACH_IMAGE = ("source", "resolution", "seed", "alpha", "mirror", "gates")  # parameters of each one


class PrepareConfig(SourceConfig):
    """The section `prepare` of params.yaml."""

    name: str = Field(default="heads", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    """Folder of the dataset below data/; not raw or init."""
    mirror: bool = True
    """True if mirrored copies count as images too; wrong for writing, logos and the like."""
    rebalance: RebalanceConfig = RebalanceConfig()
    """Preference of rare poses in training."""


CONFIG = PrepareConfig
LOOKS_ONLY = ("mimic3d.preparation.report", "mimic3d.html")
"""Code that draws what was prepared; a run goes on and counts as the same when it changes."""
FORMER_SHARPNESS = 100
"""Default of prepare.gates.min_sharpness when it was measured on the whole crop, light included."""
IMAGE_CODE = ("stages.sources", "mimic3d.preparation.parts")
"""Code that makes single images, with all that it imports."""


def check(cfg: PrepareConfig, root: Path) -> None:
    """Cheap checks before any compute.

    Raises:
        ValueError: A parameter is out of its range, or there is nothing to read.
    """
    _check_values(cfg)
    check_replaceable(ProjectPaths(root).dataset(cfg.name), OWN_FILES, "a prepared dataset")
    check_source(cfg, root)


def run(cfg: PrepareConfig, root: Path, tracker: Tracker) -> None:
    """Writes the dataset and its reports; a run that fails leaves the old ones.

    A run that was killed is resumed: finished work lies in state/prepare/<name>/<fingerprint>/, of
    parameters, inputs and the code that reads them.
    """
    _check_values(cfg)
    if notice := former_gates_notice(cfg):
        print(notice, flush=True)
    check_replaceable(ProjectPaths(root).dataset(cfg.name), OWN_FILES, "a prepared dataset")
    states = ProjectPaths(root).states("prepare") / cfg.name
    with _alone(states, cfg.name):
        state = states / _resume_key(cfg, root)
        for other in states.iterdir():
            if other.is_dir() and other != state:
                shutil.rmtree(other)
        plan, mirror = settle_mirroring(plan_source(cfg, root, state / "external"), cfg.mirror)
        partial = PartialDataset(state / "parts", plan.scene, mirror)
        for note in plan.notes:
            print(f"prepare: {note}", flush=True)
        num, unit = len(plan.tasks), "images" if plan.gates is None else "photos"
        for done in partial.fill(plan.tasks, plan.make):
            tracker.progress(done, num, unit)
        outcomes = collect_outcomes(partial, plan.rejected, plan.max_duplicate_bits)
        gates = {} if plan.gates is None else plan.gates.model_dump()
        try:
            _judge(plan, outcomes, state)
        except ValueError as error:
            folder = ProjectPaths(root).reports("prepare")
            failed = Failure(cfg.name, str(error), outcomes, partial, gates, plan.notes)
            write_failure_report(folder, failed)
            raise ValueError(f"{error}; {folder / 'report.html'} shows them") from None
        weights = _weigh(outcomes, cfg, mirror)
        with atomic_folder(ProjectPaths(root).dataset(cfg.name)) as folder:
            manifest = write_dataset(
                folder,
                partial,
                outcomes,
                weights,
                _dataset_info(cfg, plan, mirror),
                shard_images(cfg.resolution),
                SHARD_SCHEMA if plan.gates is None else PHOTO_SCHEMA,
            )
            for name, text in plan.files.items():
                (folder / name).write_text(text)
            _report(root, Preparation(manifest, outcomes, weights, partial, gates), tracker)
        shutil.rmtree(state)


def former_gates_notice(cfg: PrepareConfig) -> str | None:
    """One line about a threshold that is one of the former measure, as far as that can be told."""
    value = cfg.gates.min_sharpness
    if value is None or value < FORMER_SHARPNESS:
        return None
    return (
        f"prepare.gates.min_sharpness is {value:g}, a threshold of the former measure: sharpness "
        "is now that of the middle of the crop against its contrast, sharp faces have 43 and more; "
        f"{GatesConfig().min_sharpness} is the default"
    )


def _report(root: Path, preparation: Preparation, tracker: Tracker) -> None:
    folder, manifest = ProjectPaths(root).reports("prepare"), preparation.manifest
    tracker.log_image("contact_sheet", write_report(folder, preparation), 0)
    tracker.log_metrics(preparation.metrics, 0)
    tracker.log_artifact(folder / "report.html", "prepare")
    tracker.set_tags({"dataset_fingerprint": manifest.fingerprint, "dataset": manifest.name})


def _check_values(cfg: PrepareConfig) -> None:
    if cfg.name in INPUTS:
        raise ValueError(
            f"prepare.name must not be {cfg.name}, that folder is an input; choose another"
        )
    if cfg.resolution & (cfg.resolution - 1):
        raise ValueError(
            f"prepare.resolution must be a power of two, is {cfg.resolution}; "
            f"{1 << cfg.resolution.bit_length()} is the next one"
        )


@contextmanager
def _alone(states: Path, name: str) -> Iterator[None]:
    """Keeps a second run of the same dataset away until this one ends, or is killed."""
    states.mkdir(parents=True, exist_ok=True)
    lock = FileLock(states.with_name(f"{states.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise ValueError(
            f"data/{name} must be prepared by one process at a time, another does it now; wait for "
            "it or end it"
        ) from None
    try:
        yield
    finally:
        lock.release()


def _resume_key(cfg: PrepareConfig, root: Path) -> str:
    """Names the work on single images: a run that failed over all of them repeats none of it."""
    params = cfg.model_dump(mode="json")
    params = {name: params[name] for name in (*EACH_IMAGE, cfg.source)}
    for name in LAST_GATES:
        del params["gates"][name]
    code = join_hashes(hash_modules(IMAGE_CODE, LOOKS_ONLY))
    text = json.dumps([params, code, *hash_source(cfg, root)], sort_keys=True)
    return text_hash(text)[:12]


def _judge(plan: DatasetPlan[Any], outcomes: list[ImageOutcome], state: Path) -> None:
    """Raises ValueError if too little is left; state/ then has the list of rejects."""
    if plan.gates is not None:
        file = state / "rejects.csv"
        pyarrow.csv.write_csv(rejects_table(outcomes), file)
        check_outcomes(outcomes, plan.gates, str(file))
    if not any(item.is_kept and item.split == "train" for item in outcomes):
        raise ValueError(
            f"prepare must keep at least one image for training, keeps none of {len(plan.tasks)} "
            f"(rejected: {count_gates(outcomes)}); look at the images and their cameras"
        )


def _weigh(
    outcomes: list[ImageOutcome], cfg: PrepareConfig, mirror: bool
) -> Float32[np.ndarray, " n"]:
    """The weights of the kept images: of their poses in training, 1 elsewhere."""
    kept = [item for item in outcomes if item.is_kept]
    is_train = np.array([item.split == "train" for item in kept])
    yaw = np.array([item.yaw for item in kept])
    weights = np.ones(len(kept), dtype=np.float32)
    weights[is_train] = pose_weights(yaw[is_train], mirror, cfg.rebalance)
    return weights


def _dataset_info(cfg: PrepareConfig, plan: DatasetPlan[Any], mirror: bool) -> DatasetInfo:
    return DatasetInfo(
        name=cfg.name,
        source=cfg.source,
        resolution=cfg.resolution,
        resize_filter=plan.resize_filter,
        scene=plan.scene,
        mirror=mirror,
        licence=plan.licence,
        normalization=plan.normalization,
        subjects=plan.subjects,
        notes=plan.notes or None,
    )


if __name__ == "__main__":
    main("prepare")
