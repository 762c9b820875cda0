"""Stops a job on a cluster when the process that submitted it is killed.

A process of its own, which the submitter holds by a pipe: if that breaks without a word, the job is
stopped. A machine that goes away as a whole takes this process along: then the job goes on, and
the same command attaches to it again.
"""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator

from pipeline.cluster import Address
from pipeline.jobs.jobs_api import find_token, stop_job

RETRY_SECONDS = 600.0
DONE = "done"


@contextlib.contextmanager
def cancel_with_submitter(address: Address, job: str) -> Iterator[None]:
    """Ties a job to this process for as long as it follows it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline.jobs.stop_with_parent", address.url, job],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,  # a signal to the group of the submitter is not for it
    )
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            process.communicate(DONE)


def main(url: str, job: str) -> None:
    """Waits for the submitter; stops the job if it left without saying so."""
    if sys.stdin.read() == DONE:
        return
    deadline = time.monotonic() + RETRY_SECONDS
    while time.monotonic() < deadline:
        try:
            if stop_job(Address(url, "the submitter", is_local=False), find_token(os.environ), job):
                return
        except ConnectionError:  # also a job that is just being submitted
            pass
        time.sleep(1.0)


if __name__ == "__main__":
    main(*sys.argv[1:])
