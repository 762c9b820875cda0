"""The kinds of procedural subjects, by name."""

from typing import Literal

from mimic3d.data.synthetic.cats.parts import CATS
from mimic3d.data.synthetic.heads.parts import HEADS
from mimic3d.data.synthetic.kind import Kind

KindName = Literal["heads", "cats"]

KINDS: dict[KindName, Kind] = {"heads": HEADS, "cats": CATS}
