"""Numbers of several evaluations side by side, if they were measured alike."""

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

import pandas as pd

from mimic3d.atomic import atomic_file
from mimic3d.metrics.protocol import ConsistencyProtocol, Protocol, refuse_mixed
from tools.outputs import check_file, owned_files

SHOWN = r"(2d|3d|ceiling|floor)/"


def load_evaluation(folder: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The table of an evaluation by name, and its protocol records by hash.

    Raises:
        ValueError: the folder holds no evaluation.
    """
    table, protocol = folder / "table.csv", folder / "protocol.json"
    if not table.is_file() or not protocol.is_file():
        raise ValueError(
            f"{folder} must hold table.csv and protocol.json of an evaluation; name the folder "
            f"reports/evaluate of a project, or the artifact `evaluate` of an MLflow run"
        )
    records = json.loads(protocol.read_text())
    by_hash = {record["hash"]: record for record in records.values() if "hash" in record}
    return pd.read_csv(table).set_index("name"), by_hash


def compare_evaluations(folders: list[Path], pattern: str) -> pd.DataFrame:
    """A row per number that all have and whose name begins like the pattern, a column per folder.

    Raises:
        ValueError: a number was measured differently, or there is none to show.
    """
    loaded = [load_evaluation(folder) for folder in folders]
    first = loaded[0][0]
    names = [
        name
        for name in first.index
        if re.match(pattern, name) and all(name in table.index for table, _ in loaded)
    ]
    if not names:
        raise ValueError(f"no number that all evaluations have begins like {pattern}; try another")
    for name in names:
        of_folders = [records[str(table.at[name, "protocol"])] for table, records in loaded]
        if len({record["hash"] for record in of_folders}) > 1:
            refuse_mixed([_protocol(record) for record in of_folders])
    columns = {
        str(folder): _cells(table, names)
        for folder, (table, _) in zip(folders, loaded, strict=True)
    }
    return pd.DataFrame(columns, index=pd.Index(names))


def _protocol(record: dict[str, Any]) -> Any:
    fields = {name: value for name, value in record.items() if name != "hash"}
    kind = Protocol if "feature_network" in fields else ConsistencyProtocol
    return kind.model_validate_json(json.dumps(fields))


def _cells(table: pd.DataFrame, names: list[str]) -> list[str]:
    cells = []
    for name in names:
        row = table.loc[name]
        interval = f" ({row['low']:.4g} to {row['high']:.4g})" if row["low"] == row["low"] else ""
        cells.append(f"{row['value']:.4g}{interval}")
    return cells


def to_markdown(table: pd.DataFrame) -> str:
    """The table as people read it."""
    lines = [["", *table.columns], ["---", *["---:"] * len(table.columns)]]
    lines += [
        [str(name), *row] for name, row in zip(table.index, table.to_numpy().tolist(), strict=True)
    ]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main(arguments: list[str]) -> int:
    """`python -m tools.compare FOLDER FOLDER...`: 0 when they compare."""
    parser = argparse.ArgumentParser(prog="mimic3d compare", description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path, help="reports/evaluate of several runs")
    parser.add_argument("--metrics", default=SHOWN, help="beginning of names, a regular expression")
    parser.add_argument("--out", type=Path, help="writes the table to this Markdown file")
    args = parser.parse_args(arguments)
    try:
        if args.out:
            check_file("compare", args.out)
        text = to_markdown(compare_evaluations(args.folders, args.metrics))
        if args.out:
            with owned_files("compare", [args.out]), atomic_file(args.out) as tmp:
                tmp.write_text(text)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
