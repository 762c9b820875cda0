"""`python -m pipeline.status`: stages of this folder that run, and those that ran."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from pipeline.cluster import load_settings
from pipeline.status_rows import StageRow, StatusReport, collect_status

HEADERS = ("stage", "state", "progress", "attempt", "node", "started (UTC)", "took", "link")


def main(argv: Sequence[str] | None = None) -> int:
    """Prints a table, or JSON; returns the exit code."""
    parser = argparse.ArgumentParser(prog="mimic3d status", description=__doc__)
    parser.add_argument("--json", action="store_true", help="a list of objects")
    parser.add_argument("--last", type=int, default=20, help="runs of the past, at most (20)")
    args = parser.parse_args(argv)
    root = Path.cwd()
    try:
        report = collect_status(load_settings(root), root, args.last)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    if args.json:
        print(json.dumps([asdict(row) for row in report.rows], indent=2))
    else:
        print(render(report))
    for note in report.notes:
        print(note, file=sys.stderr)
    return 0


def render(report: StatusReport) -> str:
    """The table; one line if there is nothing to tell."""
    if not report.rows:
        return "No stage has run in this folder yet."
    table = [HEADERS, *(_cells(row) for row in report.rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = (
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True))
        for row in table
    )
    return "\n".join(line.rstrip() for line in lines)


def _cells(row: StageRow) -> tuple[str, ...]:
    started = row.started[:16].replace("T", " ") if row.started else None
    took = None if row.seconds is None else _duration(row.seconds)
    attempt = None if row.attempt is None else str(row.attempt)
    texts = (row.stage, row.state, _progress(row.progress), attempt, row.node, started, took)
    return tuple(text or "-" for text in (*texts, row.ray_link or row.mlflow_link))


def _progress(progress: Mapping[str, object] | None) -> str | None:
    if not progress:
        return None
    done, total = (f"{float(str(progress.get(name, 0))):g}" for name in ("done", "total"))
    return f"{done}/{total} {progress.get('text', '')}".strip()


def _duration(seconds: float) -> str:
    hours, rest = divmod(int(seconds), 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}"


if __name__ == "__main__":
    sys.exit(main())
