"""Meaning of the errors of a stage's processes: start again, tell the user, or show a bug."""

import re
from collections.abc import Collection

from pipeline.preemption import PreemptedError
from pipeline.workers.restarts import DiedError, FailedError, LeftError
from pipeline.yaml_file import one_line

NAMES = {"AcceleratorError", "DistBackendError", "DistNetworkError", "DistStoreError"}
"""Errors of PyTorch: a GPU or a collective failed. Not OutOfMemoryError, which comes back."""
MESSAGES = re.compile(
    r"gloo/transport|NCCL error|CUDA error|cuDNN error|Connection (reset|closed) by peer"
)


class StageError(Exception):
    """Message of a stage to its user, on its way from a worker to the job."""


def restartable(causes: Collection[BaseException]) -> Exception | None:
    """The error that tells what to do about those of all workers; None: one of them is a bug.

    What the user is to know comes first; and a worker whose neighbour left or died fails as well.
    """
    from ray.exceptions import RayError
    from ray.train.v2._internal.exceptions import RayTrainError

    for cause in causes:
        if isinstance(cause, StageError):
            return ValueError(str(cause))
    if any(isinstance(cause, PreemptedError) for cause in causes):
        return LeftError("a worker process was asked to end, its state is saved")
    if any(isinstance(cause, RayError | RayTrainError) for cause in causes):
        return DiedError("a worker process died")
    for cause in causes:
        if is_transient(cause):
            return FailedError(f"{type(cause).__name__}: {one_line(cause)}")
    return None


def is_transient(error: BaseException) -> bool:
    """True if another try may help; a mistake in the code or in the parameters stays one."""
    if isinstance(error, ConnectionError | TimeoutError):
        return True
    if isinstance(error, OSError):
        return not isinstance(error, FileNotFoundError | FileExistsError | PermissionError)
    names = {kind.__name__ for kind in type(error).__mro__}
    return bool(names & NAMES) or bool(MESSAGES.search(str(error)))
