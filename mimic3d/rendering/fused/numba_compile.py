"""Compilation of functions to machine code, and its cache from one process to the next.

Tests check shapes by wrapping every function of the package; numba compiles what is inside.
"""

import inspect
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from llvmlite import binding
from numba import extending as numba_extending
from numba import njit
from numba.core import config

HERE = Path(__file__).parent
FAST = {"contract", "nsz"}  # multiply-add; sums keep their order

# LLVM prefers vectors of 256 bits on Intel's servers, for the sake of programs that use wide ones
# now and then; these kernels do nothing else, and run a third faster with all 512.
config.CPU_FEATURES = binding.get_host_cpu_features().flatten() + ",-prefer-256-bit"  # type: ignore[attr-defined]


def compiled(function: Callable) -> Callable:
    """The function, to be called by other compiled ones."""
    return njit(fastmath=FAST)(inspect.unwrap(function))


def inlined(function: Callable) -> Callable:
    """The function, to be copied into its callers, whose rules of rounding hold."""
    return njit(inline="always")(inspect.unwrap(function))


def exact(function: Callable) -> Callable:
    """The function, with every product rounded before it is added to, as in torch."""
    return njit(fastmath={"nsz"})(inspect.unwrap(function))


def reduction(function: Callable) -> Callable:
    """The function, with sums taken in the order that suits vectors; always the same one."""
    return njit(fastmath=FAST | {"reassoc"})(inspect.unwrap(function))


def instruction(function: Callable) -> Callable:
    """A function that writes LLVM's instructions."""
    return numba_extending.intrinsic(inspect.unwrap(function))


def kernel(function: Callable) -> Callable:
    """The function, to be called by Python; it drops the GIL.

    It is compiled at its first call on a machine, which takes seconds, and kept on disk.
    """
    plain = inspect.unwrap(function)
    beside = Path(inspect.getfile(plain)).parent
    before = config.CACHE_DIR  # type: ignore[attr-defined]
    folder = Path(before) if before else beside / "__pycache__"
    config.CACHE_DIR = str(folder / f"kernels-{sources_hash(beside)}")  # type: ignore[attr-defined]
    try:
        return njit(nogil=True, cache=True, fastmath=FAST)(plain)
    finally:
        config.CACHE_DIR = before  # type: ignore[attr-defined]


def sources_hash(folder: Path) -> str:
    """SHA-256 of the kernel sources of a folder and of this one.

    Numba itself compares only the file of the outermost function.
    """
    digest = sha256()
    for source in sorted({*HERE.glob("numba_*.py"), *folder.glob("numba_*.py")}):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]
