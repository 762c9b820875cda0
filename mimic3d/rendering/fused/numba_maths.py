"""Softplus, sigmoid and exponentials in float32 that vectorise, to two units in the last place."""

import numpy as np
from numpy.polynomial import Chebyshev, Polynomial

from mimic3d.rendering.fused.numba_compile import inlined
from mimic3d.rendering.fused.numba_memory import fma, scale_by_power, to_float, truncate

ZERO, HALF, ONE, TWO = (np.float32(x) for x in (0, 0.5, 1, 2))
LOG2E = np.float32(1.4426950408889634)
MOST = np.float32(80)  # exp(-80) = 2e-35 is nothing, and still a normal number
SMALL = np.float32(0.5)


def _fit(function, low: float, high: float, degree: int) -> tuple[np.float32, ...]:
    """Coefficients of a polynomial, by least squares at Chebyshev nodes."""
    nodes = (low + high) / 2 + (high - low) / 2 * np.cos(np.linspace(0, np.pi, 801)[1:-1])
    fit = Chebyshev.fit(nodes, function(nodes), degree, domain=[low, high])
    return tuple(np.float32(c) for c in fit.convert(kind=Polynomial).coef)


E0, E1, E2, E3, E4, E5, E6 = _fit(np.exp2, -0.5, 0.5, 6)
L0, L1, L2, L3, L4, L5, L6, L7, L8, L9 = _fit(lambda t: np.log1p(t) / t, 0, 1, 9)
M0, M1, M2, M3, M4, M5 = _fit(lambda y: -np.expm1(-y) / y, 0, 0.5, 5)


@inlined
def exp_neg(y):
    """exp(-y) of y >= 0."""
    y = min(y, MOST)
    n = truncate(y * -LOG2E - HALF)
    q = fma(y, -LOG2E, -to_float(n))
    p = fma(q, fma(q, fma(q, fma(q, fma(q, fma(q, E6, E5), E4), E3), E2), E1), E0)
    return scale_by_power(p, n)


@inlined
def one_minus_exp_neg(y):
    """1 - exp(-y) of y >= 0, also of small y."""
    small = fma(y, fma(y, fma(y, fma(y, fma(y, M5, M4), M3), M2), M1), M0) * y
    return small if y < SMALL else ONE - exp_neg(y)


@inlined
def log1p_unit(t):
    """log(1 + t) of 0 <= t <= 1."""
    high = fma(t, fma(t, fma(t, fma(t, L9, L8), L7), L6), L5)
    return t * fma(t, fma(t, fma(t, fma(t, fma(t, high, L4), L3), L2), L1), L0)


@inlined
def softplus(x):
    """log(1 + exp(x))."""
    return max(x, ZERO) + log1p_unit(exp_neg(abs(x)))


@inlined
def sigmoid(x):
    """1 / (1 + exp(-x))."""
    t = exp_neg(abs(x))
    s = ONE / (ONE + t)
    return s if x >= ZERO else t * s
