"""Measurements of the trials of a sweep: one table, and only if all were measured alike."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from experiments.ablation.trials import Trial
from mimic3d.metrics.protocol import ConsistencyProtocol, Protocol, protocol_hash, refuse_mixed
from pipeline.project import ProjectPaths

VIEWS = "consistency"
"""The part of protocol.json that multi-view scores were taken by."""
COLUMNS = ("row", "seed", "branch", "metric", "identity", "value")


@dataclass(frozen=True)
class Outcomes:
    """All measurements of all trials that ended."""

    values: pd.DataFrame
    """Table with COLUMNS; the identity of a number that is one of a whole set of images is -1."""
    hashes: dict[str, str]
    """Hashes of the protocols, by part of the evaluation."""

    def table(self, branch: str, metric: str, row: str | None = None) -> pd.DataFrame:
        """Values of a metric, a line per identity and a column per seed; empty if not measured."""
        is_asked = (self.values["branch"] == branch) & (self.values["metric"] == metric)
        if row is not None:
            is_asked &= self.values["row"] == row
        chosen = self.values.loc[is_asked]
        return chosen.pivot_table(index="identity", columns="seed", values="value", dropna=False)


def read_outcomes(trials: Iterable[tuple[Trial, Path]]) -> Outcomes:
    """Measurements of trials and their folders.

    Raises:
        ValueError: two were measured differently.
    """
    tables, first = [], {}
    for trial, folder in trials:
        protocol = _read_protocol(folder)
        first = first or protocol
        if protocol.keys() != first.keys():
            raise ValueError(
                f"rows must all have the same parts measured, {sorted(first.keys())} and "
                f"{sorted(protocol.keys())} differ; take evaluate out of rows.yaml and sizes/"
            )
        for part, record in protocol.items():
            refuse_mixed([first[part], record])
        tables.append(_read_values(trial, folder))
    hashes = {part: protocol_hash(record) for part, record in first.items()}
    return Outcomes(pd.concat(tables, ignore_index=True), hashes)


def _read_protocol(folder: Path) -> dict[str, Any]:
    """Records by part of the evaluation; without those of no hash, which tell of the snapshot."""
    content = json.loads((ProjectPaths(folder).reports("evaluate") / "protocol.json").read_text())
    records = {}
    for part, written in content.items():
        if "hash" in written:
            kind = ConsistencyProtocol if part == VIEWS else Protocol
            del written["hash"]
            records[part] = kind.model_validate(written)
    return records


def _read_values(trial: Trial, folder: Path) -> pd.DataFrame:
    """Values of single identities where there are such, else those of whole sets."""
    samples = pd.read_parquet(ProjectPaths(folder).results("evaluate") / "samples.parquet")
    named = set(samples["branch"] + "/" + samples["metric"])
    path = ProjectPaths(folder).reports("evaluate") / "table.csv"
    metrics = pd.read_csv(path, float_precision="round_trip").set_index("name")["value"]
    rows = [
        (*str(name).rsplit("/", 1), -1, value)
        for name, value in metrics.items()
        if name not in named
    ]
    sets = pd.DataFrame(rows, columns=pd.Index(["branch", "metric", "identity", "value"]))
    table = pd.concat([samples, sets], ignore_index=True)
    return table.assign(row=trial.row, seed=trial.seed).reindex(columns=list(COLUMNS))
