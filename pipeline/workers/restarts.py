"""Restarts of a stage whose processes died, and their limits."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

from pipeline.project import ProjectPaths

MAX_PAUSE_SECONDS = 300.0


class DiedError(Exception):
    """Loss of a process or its machine; the stage itself raised nothing."""


class FailedError(Exception):
    """Failure of a device, a disk or the network: perhaps only now, perhaps always."""


class LeftError(Exception):
    """End of a process on request, with the state of its stage saved."""


def run_until_done(
    attempt: Callable[[], None],
    stage: str,
    progress_markers: Callable[[], frozenset[str]],
    retries: int,
    pause_seconds: float,
    root: Path,
) -> None:
    """Calls `attempt` until it ends without one of the errors above.

    Progress markers are what a stage leaves behind as it gets further, such as its states. An
    attempt that left a new one is not counted; the others are, and longer and longer pauses lie
    between them. A failure that comes back at the same place is final.

    Raises:
        ValueError: as many restarts in a row as `retries` got no further, or the same failure came
            back.
    """
    fruitless, last = 0, None
    while True:
        before = progress_markers()
        try:
            attempt()
            return
        except (DiedError, FailedError, LeftError) as error:
            has_progress = bool(progress_markers() - before)
            failure = str(error) if isinstance(error, FailedError) else None
            if failure and failure == last and not has_progress:
                raise ValueError(
                    f"{stage}: {failure}: the same again at the same place, so it was not tried a "
                    f"third time; see {_log(root, stage)}"
                ) from None
            last = failure
            fruitless = 0 if has_progress else fruitless + 1
            if fruitless > retries:
                raise ValueError(
                    f"{stage}: {error}, and {retries} restarts in a row got no further; see "
                    f"{_log(root, stage)}, and start the same command again to go on from the last "
                    f"state"
                ) from None
            pause = min(pause_seconds * 2 ** (fruitless - 1), MAX_PAUSE_SECONDS) if fruitless else 0
            after = f" in {pause:g} s" if pause else ""
            print(
                f"{stage}: {error}; starting again from its last state{after}",
                file=sys.stderr,
                flush=True,
            )
            time.sleep(pause)


def find_states(root: Path, stage: str) -> frozenset[str]:
    """States of a training below state/<stage>/, by their paths."""
    folder = ProjectPaths(root).states(stage)
    return frozenset(str(path.relative_to(folder)) for path in folder.glob("*/nimg-*"))


def _log(root: Path, stage: str) -> str:
    """The last log of a stage, if logs are kept."""
    logs = sorted(ProjectPaths(root).logs(stage).glob("*.log"))
    return str(logs[-1]) if logs else "the lines above"
