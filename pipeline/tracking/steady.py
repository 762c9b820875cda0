"""Reports to MLflow that are sent again and again, until they are taken or refused for good."""

import sys
import threading
import time
from collections.abc import Callable

from pipeline.tracking.mlflow_runs import RunAddress, RunRequest
from pipeline.tracking.mlflow_tracker import MlflowTracker
from pipeline.tracking.trouble import Trouble, describe_trouble

RETRY_SECONDS = 5.0
MAX_UNKNOWN = 3
"""Tries of a report after errors that nobody has classified, of a server that answers."""


class SteadyTracker(MlflowTracker):
    """Tries again until MLflow takes a report; each trouble is told in one sentence.

    The run may not be open yet: then it waits until another process has opened it.
    """

    def __init__(
        self, request: RunRequest, address: RunAddress | None, told: set[str] | None = None
    ) -> None:
        super().__init__(address or RunAddress(request.uri, "", "", request.stage))
        self.is_over = threading.Event()
        self.trouble: Trouble | None = None
        """Trouble that lasts."""
        self._request = None if address else request
        self._since = self._last = 0.0
        self._told = set() if told is None else told
        """Kinds of trouble that were told, perhaps by another tracker of the stage."""

    def is_vain(self, begun: float, seconds: float) -> bool:
        """True if more waiting brings nothing, `begun` at this time, for so long at most.

        That is when a person has to act and has not, or the trouble has lasted that long already.
        """
        trouble = self.trouble
        is_old = time.monotonic() - self._since > seconds
        return trouble is not None and (is_old or (trouble.needs_person and self._last > begun))

    def _try(self, send: Callable[[], object], quiet: bool = False) -> None:
        tries = 0
        while True:
            tries += 1
            trouble = self._send_once(send, quiet)
            if trouble is None or trouble.is_final:
                return
            if trouble.kind == "unknown" and tries >= MAX_UNKNOWN:
                return
            if self.is_over.wait(RETRY_SECONDS):
                return

    def _send_once(self, send: Callable[[], object], quiet: bool) -> Trouble | None:
        try:
            if self._request:
                self._find_run(self._request)
            send()
        except Exception as error:  # whatever breaks in a tracking store, training goes on
            what = f"the run of {self.address.stage} ({self.address.run_id[:8]})"
            trouble = describe_trouble(error, what)
            if not trouble.is_final:
                self._last = time.monotonic()
                self._since = self._since if self.trouble else self._last
                self.trouble = trouble
            if trouble.kind not in self._told and not (quiet and trouble.is_final):
                self._told.add(trouble.kind)
                end = "the stage goes on" + (" without" if trouble.is_final else "")
                print(f"{trouble.sentence}; {end}", file=sys.stderr, flush=True)
            return trouble
        if self.trouble:
            self._told.discard(self.trouble.kind)
            self.trouble = None
        return None

    def _find_run(self, request: RunRequest) -> None:
        run = request.find()
        if run is None:
            raise ConnectionError("the run is not open yet")
        self.address, self._request = run, None
