"""The kinds of procedural subjects, by name."""

from typing import Literal

import numpy as np

from mimic3d.synthetic.cats.parts import CATS
from mimic3d.synthetic.heads.parts import HEADS
from mimic3d.synthetic.identity import NO_POSE_BIAS, Identity, PoseBias
from mimic3d.synthetic.kind import SubjectKind

SubjectName = Literal["heads", "cats"]

KINDS: dict[SubjectName, SubjectKind] = {"heads": HEADS, "cats": CATS}


def identity_of(
    key: tuple[int, ...], kind: SubjectName = "heads", pose_bias: PoseBias = NO_POSE_BIAS
) -> Identity:
    """The subject of a key."""
    return KINDS[kind].sample(np.random.default_rng(list(key)), pose_bias)
