"""A pytest plugin: the fixtures of the golden tests, and a table of how well they agree."""

import os
import re
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest
from golden.arrays import FULL_SET, Arrays, Comparison, Record

RECORD = pytest.StashKey[Record]()
PARTIAL = pytest.StashKey[bool]()
BEGIN, END = "<!-- parity:begin -->", "<!-- parity:end -->"
HEADER = """\
| numbers of the reference | arrays | largest error | tolerance | of gradients | tolerance |
|---|---:|---:|---:|---:|---:|"""
LAST = "test_completeness.py"  # judges what all others compared


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--parity-table",
        metavar="FILE",
        nargs="?",
        const="-",
        help="table of the agreement with the reference: printed, or put between the markers of "
        f"FILE, {BEGIN} and {END}",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[RECORD] = Record()
    config.stash[PARTIAL] = any("::" in arg for arg in config.args)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The judge goes last. A run without some golden test is partial."""
    items.sort(key=lambda item: item.path.name == LAST)
    tests = Path(__file__).parents[1]
    wanted = {p for p in tests.rglob("test_*.py") if "pytest.mark.golden" in p.read_text()}
    collected = {item.path for item in items if item.get_closest_marker("golden")}
    if not wanted <= collected:
        config.stash[PARTIAL] = True


def pytest_deselected(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("golden"):
            item.config.stash[PARTIAL] = True


@pytest.fixture
def record(pytestconfig: pytest.Config) -> Record:
    """What was compared so far in this session."""
    return pytestconfig.stash[RECORD]


@pytest.fixture
def whole_record(pytestconfig: pytest.Config, record: Record) -> Record:
    """What all golden tests compared; skips where some of them were not asked for."""
    if pytestconfig.stash[PARTIAL]:
        pytest.skip("judges a run of all golden tests: pytest -m golden")
    return record


@pytest.fixture
def golden(record: Record) -> Callable[[str], Arrays]:
    """Reads a file of reference numbers: `golden("components/aware3d_op")`."""
    return lambda name: Arrays(name, record)


@pytest.fixture
def agree(record: Record) -> Callable[..., None]:
    """Asserts that a tensor equals a stored array: `agree(actual, arrays["y"], tolerance=1e-5)`."""
    return record.agree


def parity_table(record: Record) -> str:
    """One line for each file, and another one for what it stores in half precision."""
    lines: dict[tuple[str, bool], list[tuple[str, Comparison]]] = defaultdict(list)
    for (file, name), found in record.compared.items():
        lines[file, found.half_precision].append((name, found))
    rows = []
    for (file, half), found in sorted(lines.items()):
        title = f"{file}, stored in half precision" if half else file
        values = [comparison for name, comparison in found if "grad" not in name]
        gradients = [comparison for name, comparison in found if "grad" in name]
        rows.append(f"| {title} | {len(found)} | {_worst(values)} | {_worst(gradients)} |")
    which = "the full set" if FULL_SET in os.environ else "the committed subset"
    total = f"{len(record.compared)} arrays of {which}; errors are relative, in the L2 norm."
    return "\n".join([HEADER, *rows, "", total])


def _worst(comparisons: list[Comparison]) -> str:
    if not comparisons:
        return " | "
    error = max(comparison.error for comparison in comparisons)
    tolerance = max(comparison.tolerance for comparison in comparisons)
    return f"{error:.1e} | {tolerance:.0e}"


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config
) -> None:
    target = config.getoption("--parity-table")
    if target is None:
        return
    table = parity_table(config.stash[RECORD])
    terminalreporter.section("agreement with the reference")
    if target == "-":
        terminalreporter.write_line(table)
    elif config.stash[PARTIAL] or exitstatus:
        terminalreporter.write_line(
            f"{target} was not changed: not all golden tests ran and passed"
        )
    else:
        replace_between_markers(Path(target), table)
        terminalreporter.write_line(f"written to {target}")


def replace_between_markers(path: Path, text: str) -> None:
    """Puts a text between the markers of a file."""
    before = path.read_text()
    pattern = re.compile(f"(?<={re.escape(BEGIN)}\n).*?(?={re.escape(END)})", re.DOTALL)
    after, found = pattern.subn(lambda _: text + "\n", before)
    if found != 1:
        raise pytest.UsageError(f"{path} must hold {BEGIN} and {END} once, each on its own line")
    path.write_text(after)
