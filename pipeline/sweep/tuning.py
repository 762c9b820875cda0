"""The sweep on Ray Tune: which trial runs next, which one is stopped, which one is over."""

import logging
import os
import shutil
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune.experiment import Trial as TuneTrial
from ray.tune.progress_reporter import TrialProgressCallback
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from pipeline.cluster import Workers
from pipeline.sweep.asha import Rungs
from pipeline.sweep.ledger import Ledger, Trial
from pipeline.sweep.resources import bundle_of_trial, is_nested, trials_at_once
from pipeline.sweep.search import build_search
from pipeline.sweep.trial import run_trial

MAX_DEATHS = 2
"""How often a trial whose process died goes on from its state."""

MAX_FAILURES = 3
"""Failed trials after which a sweep gives up, if not one worked."""

Listener = Callable[[Trial], None]


def run_trials(
    ledger: Ledger, root: Path, rows: Mapping[str, Workers], is_local: bool, on_end: Listener
) -> None:
    """Runs all trials that are left; those that ended before are not touched."""
    ray.init(address="auto", log_to_driver=False, logging_level=logging.WARNING)
    signal.signal(signal.SIGTERM, lambda number, _: os._exit(128 + number))  # all is on disk
    logging.getLogger("ray.tune").setLevel(logging.ERROR)
    plan = ledger.plan
    available = ray.cluster_resources()
    bundle = bundle_of_trial(rows, available, is_local)
    config = {
        "root": str(root),
        "plan": plan.model_dump_json(),
        "workers": {stage: row.model_dump() for stage, row in rows.items()},
        "is_local": is_local,
    }
    supply = _Supply(ledger, root, config, on_end)
    scratch = root / ".pipeline" / "tune"
    shutil.rmtree(scratch / ledger.folder.name, ignore_errors=True)  # of a sweep that was killed
    tuner = tune.Tuner(
        tune.with_resources(run_trial, tune.PlacementGroupFactory([bundle])),
        tune_config=tune.TuneConfig(
            search_alg=supply,
            scheduler=_Judge(ledger),
            num_samples=-1,
            max_concurrent_trials=trials_at_once(plan, rows, available, is_local),
            time_budget_s=plan.minutes * 60 if plan.minutes else None,
            reuse_actors=not is_nested(rows),
            trial_dirname_creator=lambda trial: trial.trial_id,
        ),
        run_config=tune.RunConfig(
            name=ledger.folder.name,
            storage_path=str(scratch),
            verbose=0,
            failure_config=tune.FailureConfig(max_failures=MAX_DEATHS),
            stop=_Despair(supply),
            callbacks=[_Silence()],
        ),
    )
    try:
        tuner.fit()
    finally:
        shutil.rmtree(scratch / ledger.folder.name, ignore_errors=True)


class _Supply(Searcher):
    """Hands out the trials that were cut off, then new ones; hears when they end."""

    def __init__(
        self, ledger: Ledger, root: Path, config: dict[str, Any], on_end: Listener
    ) -> None:
        super().__init__()
        self._ledger, self._root, self._config, self._on_end = ledger, root, config, on_end
        known = ledger.trials()
        self._search = build_search(ledger.plan, len(known))
        self._open = [each.number for each in known if not each.is_over]
        self._next = max((each.number for each in known), default=-1) + 1
        self._numbers: dict[str, int] = {}
        self.num_failed = 0
        self.num_scored = sum(bool(each.history.scores) for each in known)
        for each in known:
            if each.is_over:
                self._search.learn(each.number, each.values, each.history)

    def set_search_properties(self, metric: Any, mode: Any, config: Any, **spec: Any) -> bool:
        """Nothing to set: plan and ledger say it all."""
        return True

    def suggest(self, trial_id: str) -> Any:
        """The next trial."""
        if self._open:
            number = self._open.pop(0)
        elif self._next < self._ledger.plan.total:
            number, self._next = self._next, self._next + 1
            self._ledger.add_trial(number, self._search.propose(number), self._root)
        else:
            return Searcher.FINISHED
        self._numbers[trial_id] = number
        folder = self._ledger.trial_folder(number)
        return {**self._config, "number": number, "folder": str(folder)}

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """A trial ended, in whatever way."""
        number = self._numbers[trial_id]
        if error:
            times = f"{MAX_DEATHS + 1} times"
            self._ledger.fail(number, f"its process ended {times} without a word; see Ray's logs")
        trial = self._ledger.trial(number)
        self.num_failed += trial.outcome == "failed"
        self.num_scored += bool(trial.history.scores)
        if trial.is_over:
            self._search.learn(number, trial.values, trial.history)
        self._on_end(trial)

    def __getstate__(self) -> dict[str, Any]:
        """Nothing for Tune to keep: the ledger has it all."""
        return {}

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the ledger has it all."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: the ledger has it all."""


class _Judge(FIFOScheduler):
    """Stops trials at their rungs."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__()
        plan = ledger.plan
        factor = plan.asha.reduction_factor if plan.asha else 1
        self._ledger = ledger
        self._rungs = Rungs(plan.num_rungs, factor, plan.mode)
        for trial in ledger.trials():
            for rung, score in trial.history.scores.items():
                self._rungs.add(trial.number, rung, score)

    def on_trial_result(
        self, tune_controller: Any, trial: TuneTrial, result: dict[str, Any]
    ) -> str:
        """Tune's question at every report of a trial."""
        number = trial.config["number"]
        if self._rungs.keeps(number, result["rung"], result["score"]):
            return TrialScheduler.CONTINUE
        self._ledger.stop(number, result["rung"])
        return TrialScheduler.STOP


class _Silence(TrialProgressCallback):
    """Takes the place of Tune's own lines on trials."""

    def log_result(self, trial: TuneTrial, result: dict[str, Any], error: bool = False) -> None:
        """Says nothing."""

    def on_trial_complete(self, *args: Any, **info: Any) -> None:
        """Says nothing."""


class _Despair(tune.Stopper):
    """Ends a sweep in which nothing works."""

    def __init__(self, supply: _Supply) -> None:
        self._supply = supply

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Stops no trial by itself."""
        return False

    def stop_all(self) -> bool:
        """After a few trials that failed while none had a metric."""
        return self._supply.num_failed >= MAX_FAILURES and not self._supply.num_scored
