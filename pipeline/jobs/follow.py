"""Follows a Ray job to its end: its log, its progress, its exit code; cancels it on a signal."""

import asyncio
import json
import logging
import os
import re
import signal
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from pipeline.cluster import Address
from pipeline.jobs.jobs_api import find_token, is_listening
from pipeline.jobs.terminal_filter import TerminalFilter
from pipeline.tracking.tracker import PROGRESS, ProgressBar
from pipeline.yaml_file import one_line

if TYPE_CHECKING:
    from ray.job_submission import JobSubmissionClient

START_SECONDS = 60.0
LOST_SECONDS = 600.0
GONE_SECONDS = 5.0
POLL_SECONDS = 0.3
TRANSIENT = re.compile(r"status code 5\d\d")
"""Status that another try may better: the agent that starts jobs is not there, or busy."""
WORKER_PREFIX = re.compile(r"^\(\w+ pid=\d+(?:, ip=[\w.:]+)?\) ?")


def connect(address: Address) -> "JobSubmissionClient":
    """A client of the jobs API; waits for a head that is just starting.

    Raises:
        ConnectionError: nobody answers, or it wants another token.
    """
    if find_token(os.environ):
        os.environ.setdefault("RAY_AUTH_MODE", "token")  # Ray reads it when imported
    from ray.exceptions import AuthenticationError
    from ray.job_submission import JobSubmissionClient

    for chatty in (
        "dashboard.modules.job.sdk",
        "dashboard.modules.dashboard_sdk",
        "_private.runtime_env.packaging",
    ):
        logging.getLogger(f"ray.{chatty}").setLevel(logging.WARNING)
    deadline = time.monotonic() + (START_SECONDS if address.is_local else 5.0)
    while True:
        try:
            return JobSubmissionClient(address.url)
        except AuthenticationError as error:
            raise ConnectionError(
                f"Ray at {address.url} refuses the token; set RAY_AUTH_TOKEN or "
                f"RAY_AUTH_TOKEN_PATH to that of the cluster"
            ) from error
        except (OSError, RuntimeError) as error:  # also those of `requests`, which have other names
            if time.monotonic() > deadline:
                if address.is_local:
                    raise ConnectionError(
                        f"the Ray head on this machine does not answer: {one_line(error)}"
                    ) from error
                raise ConnectionError(
                    f"no Ray answers at {address.url} ({address.source}); start it with "
                    f"`ray up cluster.yaml` and `ray dashboard cluster.yaml`, or clear the address"
                ) from error
        time.sleep(0.2)


class Follower:
    """Shows the log of one job; the first signal stops the job, the second leaves it.

    A job that was detached goes on whatever happens to those who look at it.
    """

    def __init__(
        self,
        client: "JobSubmissionClient",
        address: Address,
        stage: str,
        is_detached: bool = False,
    ) -> None:
        self._client = client
        self._address = address
        self._stage = stage
        self._is_detached = is_detached
        self._bar = ProgressBar()
        self._filter = TerminalFilter()
        self._job: str | None = None
        self._signal: int | None = None
        self._shown = 0
        self._rest = ""

    async def run(self, job: str | None, submission: Callable[[], dict[str, Any]]) -> int:
        """Follows this job, or submits one first; returns its exit code."""
        loop = asyncio.get_running_loop()
        for each in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(each, self._on_signal, each)
        self._job = job or await self.submit(submission())
        if self._signal:
            self._stop()
        await self._watch()
        return await self._exit_code()

    async def submit(self, arguments: dict[str, Any]) -> str:
        """Submits, and again when nobody knows whether that arrived: its id makes it one job.

        Raises:
            ConnectionError: Ray did not take the job, with its own reason.
        """
        deadline = time.monotonic() + START_SECONDS
        job = str(arguments["submission_id"])
        while True:
            try:
                return await asyncio.to_thread(lambda: self._client.submit_job(**arguments))
            except (OSError, RuntimeError) as error:
                if await asyncio.to_thread(self._is_known, job):
                    return job
                is_final = not isinstance(error, OSError) and not TRANSIENT.search(str(error))
                if is_final or time.monotonic() > deadline or await self._is_gone():
                    raise ConnectionError(
                        f"Ray at {self._address.url} did not take the job: {one_line(error)}"
                    ) from error
            await asyncio.sleep(0.3)

    def _is_known(self, job: str) -> bool:
        try:
            return any(each.submission_id == job for each in self._client.list_jobs())
        except (OSError, RuntimeError):
            return False

    async def _is_gone(self) -> bool:
        """True if a head on this machine has ended: nobody listens where it did, for a while."""
        if not self._address.is_local:
            return False
        deadline = time.monotonic() + GONE_SECONDS
        while time.monotonic() < deadline:
            if is_listening(self._address):
                return False
            await asyncio.sleep(0.5)
        return True

    async def _watch(self) -> None:
        """Shows the log until the job has ended; Ray's log stream lags behind by seconds."""
        job = cast(str, self._job)
        tail = asyncio.create_task(self._tail(job))
        lost = time.monotonic() + LOST_SECONDS
        while True:
            try:
                status = await asyncio.to_thread(self._client.get_job_status, job)
                if status.is_terminal():
                    break
                lost = time.monotonic() + LOST_SECONDS
            except (OSError, RuntimeError) as error:
                if await self._is_gone():
                    tail.cancel()
                    raise ConnectionError("the Ray head on this machine ended") from error
                if time.monotonic() > lost:
                    raise ConnectionError(
                        f"Ray does not answer any more; job {job} may still run there, the same "
                        f"command attaches to it again"
                    ) from error
            await asyncio.sleep(POLL_SECONDS)
        tail.cancel()
        await asyncio.gather(tail, return_exceptions=True)
        log = await asyncio.to_thread(self._client.get_job_logs, job)
        self._show(log[self._shown :])
        self._show("\n" if self._rest else "")
        for line in self._filter.flush():
            self._bar.write(line)
        self._bar.close()

    async def _tail(self, job: str) -> None:
        """Shows the log as it grows; a broken stream begins again, what was shown is skipped."""
        while True:
            position = 0
            try:
                async for text in self._client.tail_job_logs(job):
                    self._show(text[max(0, self._shown - position) :])
                    position += len(text)
                    self._shown = max(self._shown, position)
            except (OSError, RuntimeError):
                pass
            await asyncio.sleep(1.0)

    def _show(self, text: str) -> None:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            plain = WORKER_PREFIX.sub("", line.rstrip("\r"))
            if plain.startswith(PROGRESS):
                self._bar.show(**json.loads(plain.removeprefix(PROGRESS)))
                continue
            for shown in self._filter.pass_on(plain):
                self._bar.write(shown)

    async def _exit_code(self) -> int:
        info = await asyncio.to_thread(self._client.get_job_info, cast(str, self._job))
        if self._signal:
            print(f"{self._stage}: stopped", file=sys.stderr)
            return 128 + self._signal
        if info.status.value == "SUCCEEDED":
            return 0
        code = info.driver_exit_code
        if code is None or code == 0:
            print(f"{self._stage}: {info.status.value}: {info.message}", file=sys.stderr)
            return 1
        return code if code > 0 else 128 - code

    def _on_signal(self, number: int) -> None:
        if self._is_detached:
            print(f"{self._stage}: left, job {self._job} goes on", file=sys.stderr, flush=True)
        if self._signal or self._is_detached:
            os._exit(128 + number)
        self._signal = number
        print(f"{self._stage}: stopping; once more to leave at once", file=sys.stderr, flush=True)
        if self._job:
            self._stop()

    def _stop(self) -> None:
        job = cast(str, self._job)
        self._stopping = asyncio.ensure_future(asyncio.to_thread(self._client.stop_job, job))
