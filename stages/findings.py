"""What an evaluation found: as files, in the tracker, and as a table to read."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from mimic3d.atomic import atomic_file, atomic_folder
from mimic3d.evaluation.sampling import BRANCHES
from mimic3d.gallery import save_png, save_video
from pipeline.tracking import Tracker


@dataclass(frozen=True)
class Pictures:
    """What the gallery drew."""

    grid: Image.Image
    strip: Image.Image
    orbit: Float[Tensor, "n 3 h w3"] | None
    """Frames of the video; None where none is wanted."""
    frames_per_second: int


@dataclass(frozen=True)
class Findings:
    """All that an evaluation found."""

    distances: dict[str, float]
    """Of the sets of images, by name."""
    scores: pd.DataFrame
    """Consistency, a row per object, branch and baseline."""
    protocol: dict[str, Any]
    """How it was measured."""
    pictures: Pictures

    @property
    def metrics(self) -> dict[str, float]:
        """All numbers by name."""
        return self.distances | consistency_metrics(self.scores)


def mean_scores(scores: pd.DataFrame) -> pd.DataFrame:
    """Means over the objects that could be compared, a row per branch and baseline."""
    names = scores.columns.drop(["branch", "baseline", "identity"]).to_list()
    groups = scores.groupby(["branch", "baseline"], as_index=False)
    return pd.DataFrame(groups[names].mean())


def consistency_metrics(scores: pd.DataFrame) -> dict[str, float]:
    """The means by name; none where no object could be compared (its `warp_cov` is 0)."""
    return {
        f"{row['branch']}/{name}_at_{row['baseline']:g}": float(value)
        for row in mean_scores(scores).to_dict("records")
        for name, value in row.items()
        if name not in ("branch", "baseline") and math.isfinite(value)
    }


def write_findings(root: Path, findings: Findings) -> None:
    """All files of the stage: runs/evaluate/ as a whole, then the reports."""
    pictures = findings.pictures
    with atomic_folder(root / "runs" / "evaluate") as draft:
        save_png(pictures.grid, draft / "grid.png")
        save_png(pictures.strip, draft / "orbit.png")
        if pictures.orbit is not None:
            save_video(pictures.orbit, draft / "orbit.mp4", pictures.frames_per_second)
        findings.scores.to_parquet(draft / "samples.parquet", index=False)
    reports = root / "reports" / "evaluate"
    for name, content in (("metrics", findings.metrics), ("protocol", findings.protocol)):
        with atomic_file(reports / f"{name}.json") as draft:
            draft.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n")
    with atomic_file(reports / "consistency.csv") as draft:
        mean_scores(findings.scores).to_csv(draft, index=False, float_format="%.6g")


def track_findings(root: Path, findings: Findings, tracker: Tracker, nimg: int) -> None:
    """Metrics and pictures at the snapshot's nimg, and the files."""
    records = {name: record for name, record in findings.protocol.items() if "hash" in record}
    tags = {f"protocol.{name}": record["hash"] for name, record in records.items()}
    fingerprint = findings.protocol["snapshot"]["dataset_fingerprint"]
    tracker.set_tags({**tags, "dataset_fingerprint": fingerprint})
    tracker.log_metrics(findings.metrics, nimg)
    tracker.log_image("grid", findings.pictures.grid, nimg)
    tracker.log_image("orbit", findings.pictures.strip, nimg)
    for folder in ("reports", "runs"):
        tracker.log_artifact(root / folder / "evaluate", "evaluate")


def summary_table(findings: Findings) -> str:
    """Distances of trained and untrained branches beside the floor (small is good); agreement."""
    lines = [f"{'branch':8}{'distance':16}{'trained':>10}{'untrained':>11}{'floor':>10}"]
    for branch in BRANCHES:
        for name in ("fd_random_conv", "swd"):
            keys = (f"{branch}/{name}", f"untrained/{branch}/{name}", f"floor/{name}")
            values = "".join(
                f"{findings.distances[key]:>{width}.4g}"
                for key, width in zip(keys, (10, 11, 10), strict=True)
            )
            lines.append(f"{branch:8}{name:16}{values}")
    lines += ["", "agreement of two views, one warped into the other by depth (share compared)"]
    for row in mean_scores(findings.scores).to_dict("records"):
        label = f"{row['branch']:8}yaw {row['baseline']:<4g} rad"
        compared = "nothing is opaque enough to compare"
        if row["warp_cov"] > 0:
            compared = f"{row['warp_psnr']:.1f} dB ({row['warp_cov']:.0%})"
        lines.append(f"{label:24}{compared}")
    return "\n".join(lines)
