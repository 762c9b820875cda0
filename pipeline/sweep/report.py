"""reports/sweep/: table, winner, importance, parallel coordinates, best pictures."""

import dataclasses
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from mimic3d.atomic import check_replaceable
from pipeline.cluster import Settings
from pipeline.sweep.console import ranking
from pipeline.sweep.plan import SweepPlan
from pipeline.sweep.sweep_store import SweepTrial
from pipeline.sweep.winner import Winner, build_winner

OWN_FILES = (
    "trials.csv", "plan.json", "winner.json", "best.*", "parallel.*", "importance.*", "history.*",
)  # fmt: skip


def write_report(
    folder: Path,
    plan: SweepPlan,
    trials: Sequence[SweepTrial],
    threads: int | None,
    settings: Settings,
) -> Winner | None:
    """Writes all files; None if no trial has a metric."""
    check_report(folder)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    tabulate(plan, trials).to_csv(folder / "trials.csv", index=False)
    (folder / "plan.json").write_text(plan.model_dump_json(indent=2) + "\n")
    ranked = ranking(plan, trials)
    if not ranked:
        return None
    _draw(folder, plan, trials)
    picture = ranked[0].history.last_picture()
    if picture and picture.exists():
        shutil.copy(picture, folder / f"best{picture.suffix}")
    winner = build_winner(plan, ranked[0], threads, settings)
    text = json.dumps(dataclasses.asdict(winner), indent=2)
    (folder / "winner.json").write_text(text + "\n")
    return winner


def check_report(folder: Path) -> None:
    """Raises ValueError if the folder of a report holds what no sweep wrote."""
    check_replaceable(folder, OWN_FILES, "the report of a sweep")


def tabulate(plan: SweepPlan, trials: Sequence[SweepTrial]) -> pd.DataFrame:
    """A row per trial, the best first, those without a metric last."""
    ranked = ranking(plan, trials)
    rest = [trial for trial in trials if trial not in ranked]
    rows = []
    for trial in [*ranked, *rest]:
        scores = {f"rung{rung + 1}": trial.scores.get(rung) for rung in range(plan.num_rungs)}
        row = {"trial": trial.number, "outcome": trial.outcome, plan.metric: trial.score}
        row |= scores if plan.num_rungs > 1 else {}
        seconds = round(trial.history.seconds, 1)
        row |= {"seconds": seconds, **trial.values, "failure": trial.failure}
        rows.append(row)
    return pd.DataFrame(rows)


def _draw(folder: Path, plan: SweepPlan, trials: Sequence[SweepTrial]) -> None:
    from pipeline.sweep.charts import draw_importance, draw_parallel
    from pipeline.sweep.importance import estimate_importance

    draw_parallel(plan, trials, folder / "parallel.svg")
    table = estimate_importance(plan, trials)
    if len(table):
        table.to_csv(folder / "importance.csv", index=False, float_format="%.4g")
        draw_importance(table, folder / "importance.svg")
