"""Softplus, sigmoid and exponentials of kernels in Triton."""

import inspect
from collections.abc import Callable
from typing import Any

import triton
import triton.language as tl

LOG2E = tl.constexpr(1.4426950408889634)
LN2 = tl.constexpr(0.6931471805599453)
SMALL = tl.constexpr(0.1)


def kernel(function: Callable) -> Any:
    """The function, compiled for the GPU; called by other kernels, or launched on a grid.

    Tests check shapes by wrapping every function of the package; Triton reads what is inside.
    """
    return triton.jit(inspect.unwrap(function))


@kernel
def softplus(x):
    """log(1 + exp(x)), to a millionth of 1."""
    return tl.maximum(x, 0.0) + tl.log(1.0 + tl.exp(-tl.abs(x)))


@kernel
def softplus_precise(x):
    """log(1 + exp(x)), to a millionth of itself (Kahan's log1p)."""
    y = tl.exp(-tl.abs(x))
    u = 1.0 + y
    exact = u - 1.0
    log1p = tl.where(exact == 0.0, y, tl.log(u) * (y / tl.where(exact == 0.0, 1.0, exact)))
    return tl.maximum(x, 0.0) + log1p


@kernel
def softplus_fast(x):
    """log(1 + exp(x)) by the special function unit; the interpreter cannot run it."""
    y = tl.inline_asm_elementwise(
        "ex2.approx.ftz.f32 $0, $1;", "=f,f", [tl.abs(x) * -LOG2E],
        dtype=tl.float32, is_pure=True, pack=1,
    )  # fmt: skip
    y = tl.inline_asm_elementwise(
        "lg2.approx.ftz.f32 $0, $1;", "=f,f", [y + 1.0], dtype=tl.float32, is_pure=True, pack=1
    )
    return tl.maximum(x, 0.0) + y * LN2


@kernel
def one_minus_exp_neg(y):
    """1 - exp(-y) of y >= 0, also of small y."""
    series = y * (1.0 - y / 2 * (1.0 - y / 3 * (1.0 - y / 4 * (1.0 - y / 5))))
    return tl.where(y < SMALL, series, 1.0 - tl.exp(-y))
