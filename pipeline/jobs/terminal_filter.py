"""Lines of a job's log that say nothing to its user; the log itself keeps them."""

import re
from collections.abc import Iterator

NOISE = re.compile(
    r".*\sINFO job_manager\.py|Running entrypoint for job |.*safe to ignore"
    r"|.*Found multiple active Ray instances|\(autoscaler |.*_raylet\.pyx:\d+: Failed to get"
)
HARMLESS = re.compile(
    r"safe to ignore|ray/autoscaler/|ray/dashboard/"
    r"|autoscaler.*(timed out|Timeout|DEADLINE_EXCEEDED)"
)
"""Text in the traceback of Ray's own services, which try again by themselves."""
BEGIN = re.compile(r"^(.* )?Traceback \(most recent call last\):$")
LINK = re.compile(r"^(During handling of the above|The above exception was the direct cause)")
OWN = re.compile(r'File "[^"]*/(stages|mimic3d|pipeline)/')


class TerminalFilter:
    """Passes lines on, but for noise and for tracebacks of services that try again."""

    def __init__(self) -> None:
        self._traceback: list[str] = []
        self._is_over = False
        """True if the traceback that is held back has had its last line."""

    def pass_on(self, line: str) -> Iterator[str]:
        """Lines to show now that this one has come."""
        if self._traceback:
            is_inner = not self._is_over or not line.strip() or LINK.match(line)
            if is_inner or (self._is_linked() and BEGIN.match(line)):
                self._add(line)
                return
            yield from self.flush()
        if BEGIN.match(line):
            self._add(line)
        elif not NOISE.match(line):
            yield line

    def flush(self) -> Iterator[str]:
        """Lines that were held back, unless they are harmless."""
        held, self._traceback = self._traceback, []
        text = "\n".join(held)
        if not HARMLESS.search(text) or OWN.search(text):
            yield from held

    def _add(self, line: str) -> None:
        self._traceback.append(line)
        is_message = bool(line.strip()) and not line.startswith(" ")
        self._is_over = is_message and not BEGIN.match(line) and not LINK.match(line)
        if not line.strip() and len(self._traceback) > 1:
            self._is_over = True

    def _is_linked(self) -> bool:
        return any(LINK.match(line) for line in self._traceback[-3:])
