"""Rows and seeds as listed trials of a sweep."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.ablation.design import Design, Size, Values
from pipeline.stage import load_config
from pipeline.sweep.plan import SweepPlan

STAGES = ("pretrain", "imitate", "evaluate")
SEEDS = ("pretrain.loop.seed", "imitate.loop.seed")
METRIC = "evaluate/3d/fd_random_conv"


@dataclass(frozen=True)
class Trial:
    """One training and its evaluation; its place in the list is its number in the sweep."""

    row: str
    seed: int
    values: Values
    """Every parameter in which trials differ."""


def list_trials(design: Design, size: Size, num_seeds: int, root: Path) -> list[Trial]:
    """All rows with the first seed, then with the next: more seeds go on where fewer ended.

    `root` is the project of this size, whose parameters stand in for what a row leaves alone.

    Raises:
        ValueError: a parameter or row that is named does not exist.
    """
    for row in size.rows.keys() - design.rows.keys():
        raise ValueError(
            f"rows of a size must be rows of rows.yaml, {', '.join(design.rows)}, {row} is none; "
            f"correct it in sizes/"
        )
    named = {row: each.overrides | size.rows.get(row, {}) for row, each in design.rows.items()}
    keys = dict.fromkeys(key for values in named.values() for key in values)
    resolved = {stage: _resolve(stage, root) for stage in STAGES}
    base = {key: _look_up(resolved, key) for key in keys}
    return [
        Trial(row, seed, base | values | dict.fromkeys(SEEDS, seed))
        for seed in range(num_seeds)
        for row, values in named.items()
    ]


def build_plan(trials: Sequence[Trial], concurrent: int | None) -> SweepPlan:
    """The sweep that runs them."""
    return SweepPlan(
        stages=list(STAGES),
        metric=METRIC,
        search="list",
        trials=[trial.values for trial in trials],
        labels=[f"{trial.row}, seed {trial.seed}" for trial in trials],
        concurrent=concurrent,
    )


def _resolve(stage: str, root: Path) -> dict[str, Any]:
    return load_config(stage, root).model_dump(mode="json")


def _look_up(sections: dict[str, Any], key: str) -> Any:
    """The value of a parameter.

    Raises:
        ValueError: there is no such parameter.
    """
    value: Any = sections
    for name in key.split("."):
        if not isinstance(value, dict) or name not in value:
            raise ValueError(f"{key} in rows.yaml or sizes/ is no parameter; correct it there")
        value = value[name]
    return value
