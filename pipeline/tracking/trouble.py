"""Kinds of trouble with MLflow, each told in one true sentence."""

import re
from dataclasses import dataclass

from pipeline.yaml_file import one_line


@dataclass(frozen=True)
class Trouble:
    """Reason that MLflow did not take a report."""

    kind: str
    """Name of the kind; the same trouble is told once."""
    sentence: str
    is_final: bool = False
    """True if the same report will never be taken."""
    needs_person: bool = False
    """True if only a person can mend it, so that nothing is gained by waiting."""


@dataclass(frozen=True)
class _Kind:
    name: str
    pattern: str
    sentence: str
    is_final: bool = False
    needs_person: bool = False


KINDS = (
    _Kind(
        "deleted",
        r"must be in the 'active' state",
        "{what} was deleted in MLflow; what is reported waits until somebody restores it "
        "(`mlflow runs restore --run-id ...`, `mlflow experiments restore --experiment-id ...`)",
        needs_person=True,
    ),
    _Kind(
        "gone",
        r"Run with id=\w+ not found|Run '\w+' not found|No Experiment with id",
        "{what} is in MLflow no more, somebody removed it for good",
        is_final=True,
    ),
    _Kind(
        "read-only",
        r"readonly database|read-only (transaction|file system)|Read-only file system|"
        r"unable to open database file",
        "MLflow's files can be read, but not written",
    ),
    _Kind(
        "full",
        r"disk is full|No space left on device|Disk quota exceeded|could not extend file",
        "the disk of MLflow's files is full",
    ),
    _Kind(
        "driver",
        r"No module named '(psycopg2?|MySQLdb|pymysql)'",
        "the driver of MLflow's database is missing; install it: pip install -e '.[postgres]', and "
        "write postgresql+psycopg://",
        needs_person=True,
    ),
    _Kind("locked", r"database is locked", "another process holds MLflow's database"),
    _Kind(
        "denied",
        r"PERMISSION_DENIED|Permission denied|\b40[13]\b|UNAUTHENTICATED|not authenticated",
        "MLflow does not let this user report here (docs/security.md)",
        needs_person=True,
    ),
    _Kind("slow", r"timed out|timeout exception", "MLflow does not answer in time"),
    _Kind(
        "failing",
        r"too many 50\d error responses|\b50[0234]\b|INTERNAL_ERROR|TEMPORARILY_UNAVAILABLE",
        "MLflow's server answers that it cannot do its work; its own log says why",
    ),
    _Kind("refused", r"INVALID_PARAMETER_VALUE|BAD_REQUEST", "MLflow refuses this", is_final=True),
)
AWAY = re.compile(
    r"API request to .* failed with exception|Connection(Error| refused)|could not con"
)
NOT_AWAY = re.compile(r"timed out|50\d error responses")


def describe_trouble(error: BaseException, what: str = "the run") -> Trouble:
    """The kind of trouble behind an error of MLflow's client; `what` names the run for people."""
    text = f"{getattr(error, 'error_code', '')} {type(error).__name__}: {error}"
    detail = one_line(error, 200)
    if AWAY.search(text) and not NOT_AWAY.search(text):
        return Trouble("away", f"MLflow cannot be reached: {detail}")
    for kind in KINDS:
        if re.search(kind.pattern, text):
            end = "" if kind.name in ("deleted", "gone") else f": {detail}"
            sentence = kind.sentence.format(what=what) + end
            return Trouble(kind.name, sentence, kind.is_final, kind.needs_person)
    return Trouble("unknown", f"MLflow did not take a report: {detail}")
