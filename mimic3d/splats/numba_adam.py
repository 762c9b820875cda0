"""Steps of Adam for splats in machine code; `fit` calls it."""

import math

import numpy as np

from mimic3d.rendering.fused.numba_compile import compiled, kernel

ONE, HALF = np.float32(1), np.float32(0.5)


@compiled
def turn(q, axis, angle):
    """Turns a quaternion w, x, y, z about one of its own axes, to first order in the angle."""
    w, x, y, z, half = q[0], q[1], q[2], q[3], HALF * angle
    if axis == 0:
        q[0], q[1], q[2], q[3] = w - half * x, x + half * w, y + half * z, z - half * y
    elif axis == 1:
        q[0], q[1], q[2], q[3] = w - half * y, x - half * z, y + half * w, z + half * x
    else:
        q[0], q[1], q[2], q[3] = w - half * z, x + half * y, y - half * x, z + half * w


@kernel
def step(
    gradients, means, squares, rates, momenta, corrections, epsilon, limits,
    centers, rotations, scales, logits, opacities, colors,
):  # fmt: skip
    """Moves splats against their gradients m 13 (Kingma and Ba 2015), and clears those.

    `limits`: least and greatest standard deviation, greatest logit.
    """
    first, second = momenta[0], momenta[1]
    for i in range(len(gradients)):
        for k in range(gradients.shape[1]):
            g = gradients[i, k]
            gradients[i, k] = 0
            mean = first * means[i, k] + (ONE - first) * g
            square = second * squares[i, k] + (ONE - second) * g * g
            means[i, k], squares[i, k] = mean, square
            change = -rates[k] * mean * corrections[0]
            change /= math.sqrt(square * corrections[1]) + epsilon
            if k < 3:
                centers[i, k] += change
            elif k < 6:
                s = scales[i, k - 3] * math.exp(change)
                scales[i, k - 3] = min(max(s, limits[0]), limits[1])
            elif k < 9:
                turn(rotations[i], k - 6, change)
            elif k == 9:
                logits[i] = min(max(logits[i] + change, -limits[2]), limits[2])
                opacities[i] = ONE / (ONE + math.exp(-logits[i]))
            else:
                colors[i, k - 10] = min(max(colors[i, k - 10] + change, np.float32(0)), ONE)
        q = rotations[i]
        norm = math.sqrt(q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3])
        for k in range(4):
            q[k] /= norm
