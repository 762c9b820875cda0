"""The kinds of procedural subjects, by name."""

from typing import Literal

import numpy as np

from mimic3d.synthetic.cats.parts import CATS
from mimic3d.synthetic.heads.parts import HEADS
from mimic3d.synthetic.identity import UNMOVED, Identity, Mood
from mimic3d.synthetic.kind import Kind

KindName = Literal["heads", "cats"]

KINDS: dict[KindName, Kind] = {"heads": HEADS, "cats": CATS}


def identity_of(key: tuple[int, ...], kind: KindName = "heads", mood: Mood = UNMOVED) -> Identity:
    """The subject of a key."""
    return KINDS[kind].sample(np.random.default_rng(list(key)), mood)
