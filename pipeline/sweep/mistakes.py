"""Mistakes that only a running trial shows, each as a sentence; and whose they are."""

import difflib
import re
from collections.abc import Sequence

from pipeline.sweep.history import TrialHistory
from pipeline.sweep.sweep_store import SweepTrial


def is_of_one_trial(message: str, searched: Sequence[str]) -> bool:
    """True if a mistake names something that is searched, so that other trials may be free of it.

    That is a parameter by its full key or its last part, a part of it, or a group around it.
    """
    words = {word.strip(".") for word in re.findall(r"[\w.]+", message)}
    for key in searched:
        if key.rpartition(".")[2] in words:
            return True
        if any("." in word and (f"{word}.").startswith(f"{key}.") for word in words):
            return True
        if any("." in word and (f"{key}.").startswith(f"{word}.") for word in words):
            return True
    return False


def find_mixed(trials: Sequence[SweepTrial], number: int) -> str | None:
    """Reason that a trial has no rank among others: its stage measured otherwise; else None."""
    stage = trials[number].plan.metric_stage
    mine = trials[number].history.protocols.get(stage, {})
    for other in trials:
        if other.number == number or not other.scores:
            continue
        for tag, value in other.history.protocols.get(stage, {}).items():
            if mine.get(tag, value) != value:
                return (
                    f"trials must be measured alike, {tag} of {stage} is {mine[tag]} in trial "
                    f"{number} and {value} in trial {other.number}; leave what {stage} "
                    f"measures with, such as its own parameters, out of the search"
                )
    return None


def explain_missing(history: TrialHistory, rung: int) -> str:
    """The metric that no stage reported at a budget."""
    plan = history.plan
    names = history.metrics.get((plan.metric_stage, rung), {})
    near = difflib.get_close_matches(plan.metric_name, names, n=3)
    return (
        f"metric must be one that {plan.metric_stage} reports, {plan.metric} is not; it reports "
        f"{', '.join(near or sorted(names)) or 'none'}"
    )
