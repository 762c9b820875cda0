"""Folders of trials as `evaluate` leaves them, without any training."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from experiments.ablation.design import load_design
from experiments.ablation.outcomes import Outcomes, read_outcomes
from experiments.ablation.trials import Trial

RECORD = {
    "branch": "3d", "feature_network": "random_conv", "feature_resize": "none",
    "dataset_fingerprint": "f", "split": "train", "reference": "8 of them", "mirrored": True,
    "num_real": 8, "num_fake": 8, "conditioning_camera": "rendering camera",
    "rendering_camera": "drawn from the dataset's labels", "truncation_psi": 1.0, "resolution": 16,
    "resize": "none", "samples_per_ray": 12, "seeds": [0, 7], "kernel": None, "neighbours": None,
    "patches": None, "hash": "of the file",
}  # fmt: skip


class Bench:
    """Writes what trials measured."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.trials: list[tuple[Trial, Path]] = []
        self.rows = list(load_design().rows)

    def add(self, row: str, seed: int, fd: float, psnr: list[float], **changes) -> Path:
        """A trial with a distance of its 3D branch, and scores of objects by both branches."""
        folder = self.root / f"{row}-{seed}"
        reports, runs = folder / "reports" / "evaluate", folder / "runs" / "evaluate"
        reports.mkdir(parents=True)
        runs.mkdir(parents=True)
        numbers = {"name": ["3d/fd_random_conv", "floor/fd_random_conv"], "value": [fd, 0.5]}
        pd.DataFrame(numbers).to_csv(reports / "table.csv", index=False)
        protocol = {"snapshot": {"nimg": seed}, "3d/random_conv": RECORD | changes}
        (reports / "protocol.json").write_text(json.dumps(protocol))
        rows = [
            (branch, "warp_psnr_at_0.2", identity, value + offset)
            for branch, offset in (("2d", -5.0), ("3d", 0.0), ("ceiling", 10.0))
            for identity, value in enumerate(psnr)
        ]
        columns = pd.Index(["branch", "metric", "identity", "value"])
        pd.DataFrame(rows, columns=columns).to_parquet(runs / "samples.parquet")
        self.trials.append((Trial(row, seed, {}), folder))
        return folder

    def add_all(self, fds: dict[str, float], num_seeds: int = 3) -> None:
        """All rows; seeds differ a little, and in all rows alike."""
        rng = np.random.default_rng(0)
        for seed in range(num_seeds):
            for row in self.rows:
                psnr = (30 + rng.normal(0, 1, 4)).tolist()
                self.add(row, seed, fds[row] + 0.3 * seed + 0.01 * rng.normal(), psnr)

    def read(self) -> Outcomes:
        return read_outcomes(self.trials)


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)
