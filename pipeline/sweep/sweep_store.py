"""A sweep on disk: its plan, an Optuna study, and a project folder per trial."""

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from mimic3d.atomic import atomic_file
from pipeline.sweep.history import HistoryReader, TrialHistory
from pipeline.sweep.plan import SweepPlan
from pipeline.sweep.project import build_project
from pipeline.sweep.search import distributions_of, encode

optuna.logging.set_verbosity(optuna.logging.WARNING)  # it announces every study

PLAN = "plan.json"
STUDY = "study.log"
NAME = "sweep"
FORMER = "*/trial-*/journal.jsonl"
"""Files of sweeps before there was a study."""

TrialOutcome = Literal["finished", "stopped", "failed", "unfinished"]
"""Outcome of a trial. Stopped: not good enough to go on. Unfinished: it runs, or it was cut off."""

STATES: dict[TrialOutcome, TrialState] = {
    "finished": TrialState.COMPLETE,
    "stopped": TrialState.PRUNED,
    "failed": TrialState.FAIL,
    "unfinished": TrialState.RUNNING,
}
OUTCOMES: dict[TrialState, TrialOutcome] = {state: outcome for outcome, state in STATES.items()}


@dataclass(frozen=True)
class SweepTrial:
    """One trial as it was when it was asked for."""

    number: int
    folder: Path
    plan: SweepPlan
    values: dict[str, Any]
    """The searched and the fixed parameters, by key."""
    scores: dict[int, float]
    """The metric at every rung that was judged."""
    outcome: TrialOutcome
    failure: str | None = None
    """Reason that it failed, in a sentence."""

    @property
    def is_over(self) -> bool:
        """True if it is never run again; one that failed gets another chance."""
        return self.outcome in ("finished", "stopped")

    @property
    def rung(self) -> int:
        """The highest rung whose metric is known; -1 before the first."""
        return max(self.scores, default=-1)

    @property
    def score(self) -> float:
        """The metric at the highest rung; not a number before the first."""
        return self.scores.get(self.rung, math.nan)

    @functools.cached_property
    def history(self) -> TrialHistory:
        """History that its event log tells."""
        return HistoryReader(self.folder, self.plan).read()


class SweepStore:
    """The folder of a sweep; one process at a time changes it."""

    def __init__(self, folder: Path, plan: SweepPlan) -> None:
        self.folder, self.plan = folder, plan
        self._storage = _open_storage(folder / STUDY)
        self._study = self._storage.get_study_id_from_name(NAME)

    def trial_folder(self, number: int) -> Path:
        """The project folder of a trial."""
        return self.folder / f"trial-{number:03d}"

    def add_trial(self, values: Mapping[str, Any], root: Path) -> int:
        """Makes a trial and its project folder, or one that was only half made; its number."""
        number = len(self.frozen_trials())
        build_project(self.trial_folder(number), root, self.plan.stages)
        trial = create_trial(
            state=TrialState.RUNNING,
            params=encode(self.plan, values),
            distributions=distributions_of(self.plan),
            user_attrs={"values": dict(values)},
        )
        self._storage.create_new_trial(self._study, trial)
        return number

    def report(self, number: int, rung: int, score: float) -> None:
        """Keeps the metric of a trial at a rung."""
        self._storage.set_trial_intermediate_value(self._id(number), rung, score)

    def end(self, number: int, outcome: TrialOutcome, failure: str | None = None) -> None:
        """Keeps how a trial ended, and why it failed."""
        if failure is not None:
            self._storage.set_trial_user_attr(self._id(number), "failure", failure)
        score = self.trial(number).score
        values = [score] if math.isfinite(score) and outcome != "failed" else None
        self._storage.set_trial_state_values(self._id(number), STATES[outcome], values)

    def frozen_trials(self) -> list[FrozenTrial]:
        """All trials that were begun, as Optuna sees them."""
        return self._storage.get_all_trials(self._study, deepcopy=False)

    def trials(self) -> list[SweepTrial]:
        """All trials that were begun, as they are now; not those of an earlier, longer list."""
        count = len(self.plan.trials) if self.plan.trials else None
        return [self._read(frozen) for frozen in self.frozen_trials()[:count]]

    def trial(self, number: int) -> SweepTrial:
        """One trial as it is now."""
        return self._read(self.frozen_trials()[number])

    def _read(self, frozen: FrozenTrial) -> SweepTrial:
        outcome = OUTCOMES[frozen.state]
        if outcome == "finished" and frozen.last_step != self.plan.num_rungs - 1:
            outcome = "unfinished"  # the plan has further budgets since
        return SweepTrial(
            frozen.number,
            self.trial_folder(frozen.number),
            self.plan,
            frozen.user_attrs["values"],
            frozen.intermediate_values,
            outcome,
            frozen.user_attrs.get("failure"),
        )

    def _id(self, number: int) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self._study, number)


def former_sweeps(folder: Path) -> list[Path]:
    """Folders below this one with sweeps of a former version."""
    return sorted({path.parents[1] for path in folder.glob(FORMER)})


def check_longer(folder: Path, plan: SweepPlan) -> None:
    """Refuses a plan under which the sweep in a folder, if there is one, cannot go on.

    Raises:
        ValueError: budgets or listed trials changed otherwise than by more at the end, or the
            sweep is one of a former version.
    """
    if folder in former_sweeps(folder.parent):
        raise ValueError(
            f"{folder} holds a sweep of a former version, which this one cannot continue; move it "
            f"elsewhere, or change seed, to begin anew"
        )
    if not (folder / PLAN).exists():
        return
    old, new = read_plan(folder).budget_values, plan.budget_values
    if new[: len(old)] != old:
        raise ValueError(
            f"asha.budgets must begin with {old}, as the trials of this sweep did, is "
            f"{new}; add larger ones only, or change seed to begin another sweep"
        )
    for trial, now in zip(read_trials(folder, plan), plan.trials or [], strict=False):
        before = {key: trial.values[key] for key in plan.listed_keys}
        if before != now:
            raise ValueError(
                f"trial {trial.number} of trials must stay {before}, as this sweep ran it, is "
                f"{now}; add trials at the end only, or change seed to begin another sweep"
            )


def write_plan(folder: Path, plan: SweepPlan) -> None:
    """Makes the folder of a sweep, or goes on with it under a longer plan."""
    with atomic_file(folder / PLAN) as tmp:
        tmp.write_text(plan.model_dump_json(indent=2) + "\n")


def read_plan(folder: Path) -> SweepPlan:
    """The plan of the sweep in a folder."""
    return SweepPlan.model_validate_json((folder / PLAN).read_text())


def read_trials(folder: Path, plan: SweepPlan) -> list[SweepTrial]:
    """All trials that were begun of the sweep in a folder, as this plan sees them."""
    return SweepStore(folder, plan).trials() if (folder / STUDY).exists() else []


def resume_store(folder: Path) -> SweepStore:
    """The sweep in a folder, to go on with.

    Trials that failed, and those that a longer plan lets go on, are unfinished again. The study is
    written anew, for three reasons: Optuna changes no trial that is finished; the values of a list
    may have become more; and a killed process may have left half a line, to which Optuna's storage
    would append the next.
    """
    plan = read_plan(folder)
    before = SweepStore(folder, plan).frozen_trials() if (folder / STUDY).exists() else []
    with atomic_file(folder / STUDY) as tmp:
        tmp.unlink(missing_ok=True)
        storage = _open_storage(tmp)
        direction = StudyDirection.MINIMIZE if plan.mode == "min" else StudyDirection.MAXIMIZE
        study = storage.create_new_study([direction], NAME)
        for trial in before:
            storage.create_new_trial(study, _continued(trial, plan))
    for left in folder.glob(f"*{STUDY}.lock*"):  # of a process that was killed as it wrote
        left.unlink()
    return SweepStore(folder, plan)


def _continued(trial: FrozenTrial, plan: SweepPlan) -> FrozenTrial:
    """A trial as it is at the start of another job."""
    values = trial.user_attrs["values"]
    is_known = plan.trials is None or trial.number < len(plan.trials)  # else of a longer list
    is_whole = trial.last_step == plan.num_rungs - 1
    keeps_state = trial.state == TrialState.PRUNED or (
        trial.state == TrialState.COMPLETE and is_whole
    )
    return create_trial(
        state=trial.state if keeps_state else TrialState.RUNNING,
        value=trial.value if keeps_state else None,
        params=encode(plan, values) if is_known else {},
        distributions=distributions_of(plan) if is_known else {},
        user_attrs={"values": values},
        intermediate_values=trial.intermediate_values,
    )


def _open_storage(path: Path) -> JournalStorage:
    return JournalStorage(JournalFileBackend(str(path)))
