"""All of a sweep on disk: its plan and its trials; what is here is never computed again."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pipeline.sweep.history import History
from pipeline.sweep.journal import Journal
from pipeline.sweep.plan import Plan
from pipeline.sweep.project import build_project

PLAN = "plan.json"

Outcome = Literal["finished", "stopped", "failed", "unfinished"]


@dataclass(frozen=True)
class Trial:
    """One trial, as its folder tells."""

    number: int
    folder: Path
    values: dict[str, Any]
    """The searched and the fixed parameters, by key."""
    history: History
    outcome: Outcome
    """Stopped: its metric was not good enough to go on. Unfinished: it runs, or it was cut off."""

    @property
    def is_over(self) -> bool:
        """Whether it is never run again; one that failed gets another chance."""
        return self.outcome in ("finished", "stopped")


class Ledger:
    """The folder of a sweep."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        self.folder = folder
        self.plan = plan

    def begin(self) -> None:
        """Makes the folder, or goes on with it under a longer plan.

        Raises:
            ValueError: budgets or listed trials changed otherwise than by more at the end.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        if (self.folder / PLAN).exists():
            plan = load_ledger(self.folder).plan
            before, now = _budgets(plan), _budgets(self.plan)
            if now[: len(before)] != before:
                raise ValueError(
                    f"asha.budgets must begin with {before}, as the trials of this sweep did, is "
                    f"{now}; add larger ones only, or change seed to begin another sweep"
                )
            for number, (old, new) in enumerate(
                zip(plan.trials or [], self.plan.trials or [], strict=False)
            ):
                if old != new:
                    raise ValueError(
                        f"trial {number} of trials must stay {old}, as this sweep ran it, is "
                        f"{new}; add trials at the end only, or change seed to begin another sweep"
                    )
        _write(self.folder / PLAN, self.plan.model_dump_json(indent=2))

    def trial_folder(self, number: int) -> Path:
        """Where a trial lives."""
        return self.folder / f"trial-{number:03d}"

    def add_trial(self, number: int, values: dict[str, Any], root: Path) -> Path:
        """Makes the project folder of a new trial, or of one that was only half made."""
        folder = self.trial_folder(number)
        build_project(folder, root, self.plan.stages)
        _write(folder / "trial.json", json.dumps({"number": number, "values": values}, indent=2))
        return folder

    def stop(self, number: int, rung: int) -> None:
        """Keeps that a trial may not go on after this rung."""
        _write(self.trial_folder(number) / "stopped.json", json.dumps({"rung": rung}))

    def fail(self, number: int, message: str) -> None:
        """Keeps that a trial failed which could not say so itself."""
        Journal(self.trial_folder(number)).append("failed", message=message)

    def numbers(self) -> list[int]:
        """All trials that were begun."""
        return sorted(_number(path) for path in self.folder.glob("trial-*/trial.json"))

    def trials(self) -> list[Trial]:
        """All trials that were begun, as they are now."""
        return [self.trial(number) for number in self.numbers()]

    def trial(self, number: int) -> Trial:
        """One trial as it is now."""
        folder = self.trial_folder(number)
        history = History()
        history.add_all(Journal(folder).read_on())
        outcome: Outcome = "unfinished"
        if history.failure:
            outcome = "failed"
        elif (folder / "stopped.json").exists():
            outcome = "stopped"
        elif history.rung >= self.plan.num_rungs - 1:
            outcome = "finished"
        values = json.loads((folder / "trial.json").read_text())["values"]
        return Trial(number, folder, values, history, outcome)

    def refuse_mixed(self, number: int, stage: str) -> None:
        """Refuse to rank a trial whose numbers were measured otherwise than those of another.

        Raises:
            ValueError: a tag of the stage about its protocol differs.
        """
        trials = {trial.number: trial.history for trial in self.trials() if trial.history.scores}
        mine = self.trial(number).history.protocols.get(stage, {})
        for other, history in trials.items():
            for tag, value in history.protocols.get(stage, {}).items():
                if mine.get(tag, value) != value:
                    raise ValueError(
                        f"trials must be measured alike, {tag} of {stage} is {mine[tag]} in trial "
                        f"{number} and {value} in trial {other}; leave what {stage} measures with, "
                        f"such as its own parameters, out of the search"
                    )


def load_ledger(folder: Path) -> Ledger:
    """The sweep in a folder, under its own plan."""
    return Ledger(folder, Plan.model_validate_json((folder / PLAN).read_text()))


def _budgets(plan: Plan) -> list[float]:
    return [value for budget in plan.budgets for value in budget.values()]


def _number(path: Path) -> int:
    return int(path.parent.name.removeprefix("trial-"))


def _write(path: Path, text: str) -> None:
    draft = path.with_name(f".part-{os.getpid()}-{path.name}")
    draft.write_text(text + "\n")
    draft.replace(path)
