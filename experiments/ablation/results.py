"""All estimates and verdicts of an ablation, which the report shows."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from experiments.ablation.design import Design
from experiments.ablation.intervals import estimate, seed_means
from experiments.ablation.outcomes import Outcomes
from experiments.ablation.quantities import QUANTITIES, Quantity
from experiments.ablation.verdicts import Finding, judge
from mimic3d.evaluation.sampling import BRANCHES
from mimic3d.metrics.bootstrap import Interval
from mimic3d.metrics.protocol import Branch


@dataclass(frozen=True)
class MetricEstimate:
    """A quantity of one branch of a row."""

    row: str
    quantity: Quantity
    branch: Branch
    interval: Interval
    num_seeds: int


@dataclass(frozen=True)
class Results:
    """Estimates, references and verdicts of an ablation."""

    estimates: list[MetricEstimate]
    """Estimates, without quantities that no row has, and branches that a row does not teach."""
    references: dict[str, float]
    """Floor or ceiling, by metric."""
    findings: list[Finding]

    def find(self, row: str, quantity: Quantity, branch: Branch) -> MetricEstimate | None:
        """One estimate; None if there is none."""
        for each in self.estimates:
            if (each.row, each.quantity, each.branch) == (row, quantity, branch):
                return each
        return None

    @property
    def measured(self) -> list[tuple[Quantity, Branch]]:
        """Quantities and branches that at least one row has, in the order of the table."""
        measured = {(each.quantity.metric, each.branch) for each in self.estimates}
        return [
            (quantity, branch)
            for quantity in QUANTITIES
            for branch in BRANCHES
            if (quantity.metric, branch) in measured
        ]


def find_results(design: Design, outcomes: Outcomes) -> Results:
    """Estimates, references and verdicts of the measurements."""
    estimates = [
        each
        for name, row in design.rows.items()
        for quantity in QUANTITIES
        for branch in row.taught
        if (each := _estimate(name, quantity, branch, outcomes)) is not None
    ]
    findings = [finding for claim in design.claims for finding in judge(claim, outcomes)]
    return Results(estimates, _references(outcomes), findings)


def estimates_table(results: Results) -> pd.DataFrame:
    """A line per estimate, for other programs."""
    return pd.DataFrame(
        {
            "row": each.row, "branch": each.branch, "metric": each.quantity.metric,
            "mean": each.interval.mean, "low": each.interval.low, "high": each.interval.high,
            "num_seeds": each.num_seeds,
            "reference": results.references.get(each.quantity.metric, math.nan),
        }
        for each in results.estimates
    )  # fmt: skip


def findings_table(findings: Sequence[Finding]) -> pd.DataFrame:
    """A line per finding, for other programs."""
    return pd.DataFrame(
        {
            "claim": each.claim.says, "source": each.claim.source,
            "better": str(each.claim.better), "worse": str(each.claim.worse),
            "metric": each.quantity.metric, "advantage": each.advantage.mean,
            "low": each.advantage.low, "high": each.advantage.high,
            "num_seeds": each.num_seeds, "verdict": each.verdict,
        }
        for each in findings
    )  # fmt: skip


def _estimate(
    row: str, quantity: Quantity, branch: Branch, outcomes: Outcomes
) -> MetricEstimate | None:
    table = outcomes.table(branch, quantity.metric, row)
    if table.empty:
        return None
    return MetricEstimate(row, quantity, branch, estimate(table), len(seed_means(table)))


def _references(outcomes: Outcomes) -> dict[str, float]:
    """Reference values, equal in all trials, since all compare with the same images and objects."""
    references = {}
    for quantity in QUANTITIES:
        branch, _, metric = quantity.reference.partition("/")
        table = outcomes.table(branch, metric)
        if not table.empty:
            references[quantity.metric] = float(seed_means(table).mean())
    return references
