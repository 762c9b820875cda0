"""Report in reports/ablation/<size>/: the table to read, the same for programs, and bars."""

import math
from dataclasses import dataclass
from pathlib import Path

from experiments.ablation.bars import draw_bars
from experiments.ablation.design import Design, Side, Size
from experiments.ablation.outcomes import Outcomes
from experiments.ablation.quantities import Quantity
from experiments.ablation.results import (
    Results,
    estimates_table,
    find_results,
    findings_table,
)
from mimic3d.atomic import atomic_folder, check_replaceable
from mimic3d.metrics.bootstrap import Interval
from mimic3d.metrics.protocol import Branch

OWN_FILES = ("table.md", "table.csv", "claims.csv", "values.parquet", "bars.*")
NOTES = """\
FD is the Frechet distance of `random_conv` features: it is no FID, and compares within this table
only. PSNR rises with blur; read it beside the share of pixels and the error of fine detail.
Floors are the distances of other real images, ceilings the scores of true renderings. Intervals
are 95 %: of the mean over seeds (Student) where there are several, else over objects, which says
nothing about another training. A claim is decided where the interval of the difference, over
pairs of equal seeds, lies on one side of 0. The paper's own numbers of its ablation were not
available to us; only directions are compared."""


@dataclass(frozen=True)
class Run:
    """Run of the ablation: its size, seeds, code and trials."""

    size: str
    num_seeds: int
    code: str
    """Hash of the code of stages/ and mimic3d/."""
    minutes: list[float]
    """Duration of every trial that ended, minutes."""
    missing: list[str]
    """Trials that did not end, with the reasons."""


def write_report(folder: Path, design: Design, size: Size, outcomes: Outcomes, run: Run) -> Results:
    """Writes all files."""
    results = find_results(design, outcomes)
    check_report(folder)
    with atomic_folder(folder) as tmp:
        (tmp / "table.md").write_text(write_table(design, size, outcomes, results, run))
        estimates_table(results).to_csv(tmp / "table.csv", index=False, float_format="%.6g")
        findings_table(results.findings).to_csv(
            tmp / "claims.csv", index=False, float_format="%.6g"
        )
        outcomes.values.to_parquet(tmp / "values.parquet", index=False)
        draw_bars(design, results, tmp / "bars.png")
    return results


def check_report(folder: Path) -> None:
    """Raises ValueError if the folder of a report holds what no ablation wrote."""
    check_replaceable(folder, OWN_FILES, "the report of an ablation")


def write_table(design: Design, size: Size, outcomes: Outcomes, results: Results, run: Run) -> str:
    """Whole report as Markdown."""
    lines = ["# The paper's ablation in miniature", "", *_about(size, outcomes, run), ""]
    lines += _measurements(design, results)
    lines += ["", *_claims(design, results), "", NOTES, "", "Rows:", ""]
    lines += [f"- {row.title}: {row.about}" for row in design.rows.values()]
    return "\n".join(lines) + "\n"


def _about(size: Size, outcomes: Outcomes, run: Run) -> list[str]:
    minutes = f"{sum(run.minutes) / max(1, len(run.minutes)):.1f}"
    lines = [
        f"`python -m experiments.ablation --size {run.size} --seeds {run.num_seeds}`: "
        f"{size.about}. {len(run.minutes)} trainings, {minutes} minutes each on average; code "
        f"{run.code[:12]}.",
        "",
        "Protocols: " + ", ".join(f"{part} `{hash_}`" for part, hash_ in outcomes.hashes.items()),
    ]
    if run.missing:
        lines += ["", "**Incomplete:** " + "; ".join(run.missing)]
    return lines


def _measurements(design: Design, results: Results) -> list[str]:
    titles = [row.title for row in design.rows.values()]
    lines = [
        _line("", "branch", "floor or ceiling", *titles),
        "|---|---|" + "---:|" * (len(titles) + 1),
    ]
    for quantity, branch in results.measured:
        arrow = "lower" if quantity.better == "low" else "higher"
        cells = [_cell(results, row, quantity, branch) for row in design.rows]
        reference = results.references.get(quantity.metric, math.nan)
        title = f"{quantity.title} ({arrow} is better)"
        lines.append(_line(title, branch.upper(), _number(quantity, reference), *cells))
    return lines


def _cell(results: Results, row: str, quantity: Quantity, branch: Branch) -> str:
    estimate = results.find(row, quantity, branch)
    if estimate is None:
        return "-"
    text = _interval(quantity, estimate.interval)
    return text if estimate.num_seeds else "nothing to compare"


def _claims(design: Design, results: Results) -> list[str]:
    lines = [
        _line("the paper says", "which makes", "better than", "by", "advantage", "verdict here"),
        "|---|---|---|---|---:|---|",
    ]
    for finding in results.findings:
        claim, quantity = finding.claim, finding.quantity
        alone = " (one seed)" if finding.num_seeds == 1 else ""
        lines.append(
            _line(
                f"{claim.says} ({claim.source})",
                _side(design, claim.better),
                _side(design, claim.worse),
                quantity.title,
                _interval(quantity, finding.advantage),
                f"**{finding.verdict}**{alone}",
            )
        )
    return lines


def _side(design: Design, side: Side) -> str:
    return f"{design.rows[side.row].title}, {side.branch.upper()}"


def _interval(quantity: Quantity, estimate: Interval) -> str:
    if math.isnan(estimate.low):
        return _number(quantity, estimate.mean)
    ends = f"{_number(quantity, estimate.low)} to {_number(quantity, estimate.high)}"
    return f"{_number(quantity, estimate.mean)} ({ends})"


def _number(quantity: Quantity, value: float) -> str:
    return "-" if math.isnan(value) else quantity.text(value)


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
