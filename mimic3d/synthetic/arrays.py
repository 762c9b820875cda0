"""The array functions of shapes and paint, the same for NumPy arrays and for torch tensors.

Formulas written with them and with operators run on one core without torch, and batched on a GPU.
An image takes tens of thousands of calls, so tests check the types of the callers only.
"""

from collections.abc import Callable
from typing import Any, no_type_check

import numpy as np
from jaxtyping import Bool, Float32, Integer

Array = Any  # an np.ndarray or a torch.Tensor
Scalars = Float32[Any, " m"]
Vectors = Float32[Any, "3 m"]
BroadcastVector = Float32[Any, "3 #m"]  # one for all points, or one for each
Mask = Bool[Any, " m"]
Index = Integer[Any, " k"]
Number = Any  # one number for all points, or an Scalars


@no_type_check
def sqrt(a: Array) -> Array:
    """Square root."""
    return np.sqrt(a) if isinstance(a, np.ndarray) else a.sqrt()


@no_type_check
def sin(a: Array) -> Array:
    """Sine, rad."""
    return np.sin(a) if isinstance(a, np.ndarray) else a.sin()


@no_type_check
def exp(a: Array) -> Array:
    """Exponential."""
    return np.exp(a) if isinstance(a, np.ndarray) else a.exp()


@no_type_check
def atan2(y: Array, x: Array) -> Array:
    """Angle of (x, y), rad."""
    return np.arctan2(y, x) if isinstance(y, np.ndarray) else y.atan2(x)


@no_type_check
def minimum(a: Array, b: Array | float) -> Array:
    """The smaller of both, element by element."""
    return np.minimum(a, b) if isinstance(a, np.ndarray) else a.clamp(max=b)


@no_type_check
def maximum(a: Array, b: Array | float) -> Array:
    """The larger of both, element by element."""
    return np.maximum(a, b) if isinstance(a, np.ndarray) else a.clamp(min=b)


@no_type_check
def where(mask: Array, a: Array, b: Array | float) -> Array:
    """Elements of a where the mask holds, else of b."""
    return np.where(mask, a, b) if isinstance(a, np.ndarray) else a.where(mask, b)


@no_type_check
def norm(a: Vectors) -> Scalars:
    """Euclidean length."""
    a = a * a
    return sqrt(a[0] + a[1] + a[2])


@no_type_check
def dot(a: BroadcastVector, b: BroadcastVector) -> Array:
    """Scalar products."""
    c = a * b
    return c[0] + c[1] + c[2]


@no_type_check
def nonzero(mask: Mask) -> Index:
    """Indices where the mask holds."""
    return np.flatnonzero(mask) if isinstance(mask, np.ndarray) else mask.nonzero().squeeze(1)


@no_type_check
def stack(parts: list[Array]) -> Array:
    """Arrays side by side along a new first axis."""
    if isinstance(parts[0], np.ndarray):
        return np.stack(parts)
    import torch

    return torch.stack(parts)


@no_type_check
def take_columns(a: Vectors, index: Index | slice) -> Float32[Any, "3 _"]:
    """Some of the columns."""
    if isinstance(a, np.ndarray) and not isinstance(index, slice):
        return a.take(index, axis=1)
    return a[:, index]


@no_type_check
def concatenate(parts: list[Array]) -> Array:
    """Arrays one after another along their last axis."""
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts, axis=-1)
    import torch

    return torch.cat(parts, dim=-1)


@no_type_check
def full_like(like: Array, value: float) -> Array:
    """Array of the shape of `like`, filled with one value."""
    if isinstance(like, np.ndarray):
        return np.full_like(like, value)
    return like.new_full(like.shape, value)


@no_type_check
def any_flagged(flag: Number) -> bool:
    """True if a formula must be evaluated for flagged points; of many points, some always are."""
    return bool(flag) if isinstance(flag, float) else True


@no_type_check
def where_flag(flag: Number, a: Array, b: Array | float) -> Array:
    """Elements of a for points whose flag is set, else of b."""
    if isinstance(flag, float):
        return a if flag else b
    return where(flag > 0, a, b)


@no_type_check
def select(
    flag: Number, a: Callable[..., Scalars], b: Callable[..., Scalars], *args: Any
) -> Scalars:
    """Values of a(*args) for points whose flag is set, and of b(*args) for the others."""
    if isinstance(flag, float):
        return a(*args) if flag else b(*args)
    return where(flag > 0, a(*args), b(*args))


@no_type_check
def to_numpy(a: Array) -> np.ndarray:
    """NumPy array of the numbers, in main memory."""
    return a if isinstance(a, np.ndarray) else a.cpu().numpy()
