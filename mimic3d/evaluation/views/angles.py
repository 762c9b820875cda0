"""Where objects are looked at from when views are drawn: as the cameras of the dataset are."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mimic3d.data.schema import Manifest

STREAM = 1  # keeps these draws apart from the latents of the same seed
MARGIN_RAD = 0.05  # a probe also learns a bit of what lies beyond the views that it is asked about


def draw_angles(manifest: Manifest, identity: int, num: int, seed: int) -> Float[Tensor, "v 2"]:
    """Yaw and pitch of `num` views of an object, rad: normal, cut to the middle 90 % of the data.

    An object has a stream of its own; true and generated objects of a number share their views.
    """
    rng = np.random.default_rng([seed, identity, STREAM])
    mean, deviation = (_both(manifest, name) for name in ("mean", "std"))
    angles = rng.normal(mean, deviation, (num, 2)).clip(*angle_limits(manifest))
    return torch.from_numpy(angles).float()


def draw_wide_angles(manifest: Manifest, num: int, seed: int) -> Float[Tensor, "v 2"]:
    """Angles spread evenly over a little more than `draw_angles` can reach."""
    low, high = angle_limits(manifest)
    rng = np.random.default_rng([seed, STREAM])
    angles = rng.uniform(low - MARGIN_RAD, high + MARGIN_RAD, (num, 2))
    return torch.from_numpy(angles).float()


def angle_limits(manifest: Manifest) -> tuple[np.ndarray, np.ndarray]:
    """5 % and 95 % quantiles of yaw and pitch of the training data, rad."""
    return _both(manifest, "q05"), _both(manifest, "q95")


def _both(manifest: Manifest, name: str) -> np.ndarray:
    return np.array([manifest.poses[f"{angle}_{name}_rad"] for angle in ("yaw", "pitch")])
