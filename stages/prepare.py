"""Images and cameras -> data/<name>/: Parquet shards, manifest, rejects; reports/prepare/."""

import csv
import json
from collections import Counter
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image
from pydantic import Field, NonNegativeInt

from mimic3d.atomic import atomic_folder
from mimic3d.config import Config
from mimic3d.data.parallel import count_workers, ordered_map
from mimic3d.data.poses.synthetic import SyntheticConfig
from mimic3d.data.sample import Rejected, decode_png
from mimic3d.data.schema import Manifest
from mimic3d.data.shards import DatasetWriter, shard_images
from mimic3d.data.sources import GivenConfig, Plan, plan_given, plan_synthetic
from pipeline.tracking import Tracker
from stages.params import INPUTS, main

SHEET_SIDE = 8  # images across and down the contact sheet
YAW_BIN_DEG = 5
YAW_RANGE_DEG = 90


class PrepareConfig(Config):
    """The section `prepare` of params.yaml."""

    name: str = Field(default="heads", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    """Folder of the dataset below data/; not raw."""
    source: Literal["synthetic", "given"] = "synthetic"
    """synthetic: procedural heads; given: images with cameras in the layout of EG3D."""
    resolution: int = Field(default=64, ge=16, le=1024)
    """Width and height of the images, pixels; a power of two."""
    seed: NonNegativeInt = 0
    """Of heads, cameras and the choice of validation images."""
    mirror: bool = True
    """Mirrored copies count as images too; wrong for writing, logos and the like."""
    synthetic: SyntheticConfig = SyntheticConfig()
    """Used with source synthetic."""
    given: GivenConfig = GivenConfig()
    """Used with source given."""


CONFIG = PrepareConfig


def check(cfg: PrepareConfig, root: Path) -> None:
    """Cheap checks before any compute.

    Raises:
        ValueError: A parameter is out of its range, or there is nothing to read.
    """
    _check_values(cfg)
    if cfg.source == "given":
        _plan(cfg, root)


def run(cfg: PrepareConfig, root: Path, tracker: Tracker) -> None:
    """Writes the dataset and its reports; a run that fails leaves the old ones."""
    _check_values(cfg)
    plan = _plan(cfg, root)
    folder = root / "data" / cfg.name
    images_per_shard = shard_images(cfg.resolution)
    sheet: list[np.ndarray] = []
    with atomic_folder(folder) as part:
        writer = DatasetWriter(part, plan.scene, cfg.mirror, images_per_shard)
        tasks = [task for _, task in plan.tasks]
        results = ordered_map(plan.make, tasks, count_workers(len(tasks)))
        for done, ((split, _), result) in enumerate(zip(plan.tasks, results, strict=True), 1):
            if isinstance(result, Rejected):
                writer.add_reject(result)
            else:
                writer.add(split, result)
                if len(sheet) < SHEET_SIDE**2:
                    sheet.append(decode_png(result.image))
            tracker.progress(done, len(tasks), "images")
        if not writer.counts["train"]:
            gates = Counter(item.reject.gate for item in writer.rejects)
            raise ValueError(
                f"prepare must keep at least one image for training, keeps none of {len(tasks)} "
                f"(rejected: {dict(gates)}); look at the images and their labels"
            )
        manifest = writer.finish(
            cfg.name, cfg.source, cfg.resolution, plan.resize_filter, plan.licence
        )
        _report(root, manifest, writer, sheet, tracker)


def _check_values(cfg: PrepareConfig) -> None:
    if cfg.name in INPUTS:
        raise ValueError(
            f"prepare.name must not be {cfg.name}, that folder of data/ is an input; choose another"
        )
    if cfg.resolution & (cfg.resolution - 1):
        raise ValueError(
            f"prepare.resolution must be a power of two, is {cfg.resolution}; "
            f"{1 << cfg.resolution.bit_length()} is the next one"
        )


def _plan(cfg: PrepareConfig, root: Path) -> Plan[Any]:
    if cfg.source == "synthetic":
        return plan_synthetic(cfg.synthetic, cfg.seed, cfg.resolution)
    return plan_given(cfg.given, cfg.seed, cfg.resolution, root / "data" / "raw")


def _report(
    root: Path, manifest: Manifest, writer: DatasetWriter, sheet: list[np.ndarray], tracker: Tracker
) -> None:
    folder = root / "reports" / "prepare"
    folder.mkdir(parents=True, exist_ok=True)
    rejected = Counter(item.reject.gate for item in writer.rejects)
    metrics: dict[str, float] = {f"num_{split}": num for split, num in manifest.counts.items()}
    metrics["num_rejected"] = len(writer.rejects)
    metrics |= {f"num_rejected_{gate}": num for gate, num in sorted(rejected.items())}
    metrics |= manifest.poses
    (folder / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
    yaw_deg = np.degrees(writer.train_yaws())
    bins = np.arange(-YAW_RANGE_DEG, YAW_RANGE_DEG + YAW_BIN_DEG, YAW_BIN_DEG)
    counts, edges = np.histogram(np.clip(yaw_deg, -YAW_RANGE_DEG, YAW_RANGE_DEG), bins)
    with (folder / "poses.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["yaw_deg", "count"])
        table.writerows(zip((edges[:-1] + YAW_BIN_DEG / 2).tolist(), counts.tolist(), strict=True))
    picture = _contact_sheet(sheet)
    picture.save(folder / "contact_sheet.png")
    tracker.log_image("contact_sheet", picture, 0)
    tracker.log_metrics(metrics, 0)
    tracker.set_tags({"dataset_fingerprint": manifest.fingerprint, "dataset": manifest.name})


def _contact_sheet(images: list[np.ndarray]) -> Image.Image:
    side = images[0].shape[0]
    across = min(len(images), SHEET_SIDE)
    down = -(-len(images) // across)
    sheet = Image.new("RGB", (across * side, down * side))
    for index, pixels in enumerate(images):
        row, column = divmod(index, across)
        sheet.paste(Image.fromarray(pixels), (column * side, row * side))
    return sheet


if __name__ == "__main__":
    main("prepare")
