"""An endless order of image indices that can start anywhere and knows nothing of processes."""

from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor


@lru_cache(maxsize=2)
def _permutation(size: int, seed: int, epoch: int) -> Int[np.ndarray, " size"]:
    return np.random.default_rng([seed, epoch]).permutation(size)


def draw_indices(
    size: int, seed: int, start: int, num: int, weights: Float[Tensor, " size"] | None = None
) -> Int[Tensor, " num"]:
    """Indices at positions start .. start + num - 1 of the endless order.

    Without weights, position p lies in epoch p // size, and every epoch is a permutation of its
    own. With weights, every position is an independent draw with replacement.

    Raises:
        ValueError: There is nothing to draw from.
    """
    if size < 1:
        raise ValueError("cannot draw from a dataset without images; prepare at least one")
    if weights is not None:
        return _draw_weighted(weights, seed, start, num)
    pieces = []
    position, end = start, start + num
    while position < end:
        epoch, offset = divmod(position, size)
        piece = _permutation(size, seed, epoch)[offset : offset + end - position]
        pieces.append(piece)
        position += len(piece)
    return torch.from_numpy(np.concatenate(pieces or [np.empty(0, dtype=np.int64)]))


def _draw_weighted(
    weights: Float[Tensor, " size"], seed: int, start: int, num: int
) -> Int[Tensor, " num"]:
    cumulative = np.cumsum(weights.numpy(), dtype=np.float64)
    if not (cumulative[-1] > 0 and bool((weights >= 0).all())):
        raise ValueError(
            "weights must not be negative and must have a positive sum; prepare the dataset again"
        )
    key = np.random.SeedSequence(seed).generate_state(2, np.uint64)
    counter = np.random.Philox(key=key, counter=start)  # one block of 4 words per position
    words = counter.random_raw(4 * num)[::4]
    uniform = (words >> np.uint64(11)) * 2.0**-53  # 53 bits, in [0, 1)
    picked = np.searchsorted(cumulative, uniform * cumulative[-1], side="right")
    return torch.from_numpy(picked.astype(np.int64))
