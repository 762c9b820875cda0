"""A pytest plugin: shares of the workers of `pytest -n`, whole files, the longest share first.

One worker runs all files that start Ray, MLflow, DVC or a browser: two of them at a time would
disturb each other. One compares with the reference, as its last test judges what all of them
compared. pytest-xdist has groups for this (`--dist loadgroup`), which it loses with pytest 9.
"""

import functools
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).parent
STARTERS, GOLDEN = "starters", "golden"


@functools.cache
def share_of(path: Path) -> str:
    """Share that a file belongs to: one of the two, or its own."""
    text = path.read_text()
    if "pytest.mark.slow" in text and TESTS / "mimic3d" not in path.parents:
        return STARTERS
    return GOLDEN if "pytest.mark.golden" in text else str(path)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The starters first."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: share_of(item.path) != STARTERS)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A scheduler of whole shares."""
    from xdist.scheduler import LoadScopeScheduling

    class ShareScheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return share_of(config.rootpath / nodeid.partition("::")[0])

    config.option.loadscopereorder = False  # by the number of tests
    return ShareScheduling(config, log)
