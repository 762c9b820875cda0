"""`python -m experiments.ablation`: the paper's ablation in miniature, one table at its end.

Goes on where it was when started again; with more seeds it runs the new ones only.
"""

import argparse
import contextlib
import os
import sys
from pathlib import Path

from ruamel.yaml import YAML

from experiments.ablation.design import Design, Size, load_design, load_size, size_names
from experiments.ablation.outcomes import read_outcomes
from experiments.ablation.project import open_project, prepare_data
from experiments.ablation.report import Run, check_report, write_report, write_table
from experiments.ablation.trials import STAGES, Trial, build_plan, list_trials
from mimic3d.atomic import atomic_file
from pipeline.cluster import load_settings, tracking_uri
from pipeline.project import REPORTS, ProjectPaths
from pipeline.stage import hash_stages
from pipeline.sweep import submit
from pipeline.sweep.sweep_store import SweepTrial, read_plan, read_trials

PLAN = "ablation.yaml"
REPORT = Path(REPORTS) / "ablation"


def main(argv: list[str] | None = None) -> int:
    """Runs what is left, writes the report, returns the exit code: 0 if every row ended."""
    parser = argparse.ArgumentParser(prog="mimic3d ablation", description=__doc__)
    parser.add_argument("--size", default="cpu", help=f"one of {', '.join(size_names())}")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of every row")
    parser.add_argument("--concurrent", type=int, help="trainings at a time; the size knows best")
    args = parser.parse_args(argv)
    root = Path.cwd()
    try:
        if args.seeds < 1:
            raise ValueError(f"--seeds must be at least 1, is {args.seeds}")
        design, size = load_design(), load_size(args.size)
        check_report(root / REPORT / args.size)
        folder = open_project(root, args.size, design, size)
        settings = load_settings(root)
        os.environ["MLFLOW_TRACKING_URI"] = tracking_uri(settings, root, os.environ)
        prepare_data(folder)
        trials = list_trials(design, size, args.seeds, folder)
        code = _sweep(folder, trials, args.concurrent or size.concurrent)
        if code > 1:  # a mistake, or a signal
            return code
        return _report(root, folder, trials, design, size, args.size)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2


def _sweep(folder: Path, trials: list[Trial], concurrent: int | None) -> int:
    plan = build_plan(trials, concurrent)
    with atomic_file(folder / PLAN) as tmp:
        YAML().dump(plan.model_dump(mode="json", exclude_defaults=True), tmp)
    with contextlib.chdir(folder):
        return submit.main([PLAN])


def _report(
    root: Path, folder: Path, trials: list[Trial], design: Design, size: Size, name: str
) -> int:
    known = {each.number: each for each in _sweep_trials(folder)}
    ended = {number: each for number, each in known.items() if each.is_over}
    missing = [
        f"{trial.row} with seed {trial.seed}: "
        + ((known[number].failure or "cut off") if number in known else "not begun")
        for number, trial in enumerate(trials)
        if number not in ended
    ]
    measured = [number for number in ended if number < len(trials)]  # fewer seeds than before
    if not measured:
        print("ablation: no training ended, so that there is no table", file=sys.stderr)
        return 1
    outcomes = read_outcomes((trials[number], ended[number].folder) for number in measured)
    minutes = [ended[number].history.seconds / 60 for number in measured]
    num_seeds = max(trial.seed for trial in trials) + 1
    run = Run(name, num_seeds, hash_stages(STAGES), minutes, missing)
    results = write_report(root / REPORT / name, design, size, outcomes, run)
    print(write_table(design, size, outcomes, results, run))
    print(f"ablation: see {REPORT / name}/")
    return 1 if missing else 0


def _sweep_trials(folder: Path) -> list[SweepTrial]:
    """Trials of the one sweep of this project: rows, size and code are in the folder's name."""
    (plan,) = ProjectPaths(folder).states("sweep").glob("*/plan.json")
    return read_trials(plan.parent, read_plan(plan.parent))


if __name__ == "__main__":
    sys.exit(main())
