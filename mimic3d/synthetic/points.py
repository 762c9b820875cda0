"""Positions in head axes, and the numbers of the identity that each of them belongs to.

Formulas are written for many points at once. Either all of them belong to one identity, whose
numbers are then plain floats, or each names its owner in a table, from which its numbers are
gathered. A formula does not see the difference.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import cached_property
from typing import Any

import numpy as np

from mimic3d.synthetic.arrays import (
    Array,
    Index,
    Mask,
    Scalars,
    Vectors,
    concatenate,
    full_like,
    nonzero,
    take_columns,
)

ParameterGroup = Mapping[
    str, Any
]  # name -> a number, n, 3 1 or 3 n of them, or a body of such fields
Rows = int | slice

FAR = 9.0  # head units; distance of what is not evaluated


class GroupParameters:
    """The numbers, vectors and bodies of one group, as attributes."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.__dict__.update(values)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.__dict__.values())

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"no parameter {name} among {sorted(self.__dict__)}")


class ParameterTable:
    """Numbers of n identities, in groups that formulas use together.

    Each group is one float32 array of rows, so that one look-up serves all of its numbers.
    """

    def __init__(
        self, rows: dict[str, Array], layouts: dict[str, dict[str, tuple[Any, list[Rows]]]]
    ) -> None:
        self.rows = rows
        self.layouts = layouts
        self._only: dict[str, GroupParameters] = {}

    @staticmethod
    def build(groups: Mapping[str, ParameterGroup], num: int) -> "ParameterTable":
        """Packs the groups, in NumPy; numbers equal for all identities may stand there once."""
        rows, layouts = {}, {}
        for group, columns in groups.items():
            layout, leaves, first = {}, [], 0
            for name, column in columns.items():
                kind = type(column) if is_dataclass(column) else None
                places: list[Rows] = []
                for leaf in _leaves(column):
                    size = 3 if np.ndim(leaf) == 2 else 1
                    places.append(slice(first, first + 3) if size == 3 else first)
                    leaves.append((places[-1], leaf))
                    first += size
                layout[name] = kind, places
            rows[group] = np.empty((first, num), dtype=np.float32)
            for place, leaf in leaves:
                rows[group][place] = leaf
            layouts[group] = layout
        return ParameterTable(rows, layouts)

    def on(self, device: str) -> "ParameterTable":
        """Table of these numbers as torch tensors on a device."""
        import torch

        rows = {group: torch.from_numpy(values).to(device) for group, values in self.rows.items()}
        return ParameterTable(rows, self.layouts)

    def place(self, array: np.ndarray) -> Array:
        """An array where the table lies."""
        like = next(iter(self.rows.values()))
        if isinstance(like, np.ndarray):
            return array
        import torch

        return torch.from_numpy(array).to(like.device)

    def of(self, group: str, owners: Index | None) -> GroupParameters:
        """A group, point by point, or of the only identity."""
        if owners is not None:
            return self._unpack(group, self.rows[group][:, owners], to_floats=False)
        if group not in self._only:
            self._only[group] = self._unpack(group, self.rows[group], to_floats=True)
        return self._only[group]

    def _unpack(self, group: str, rows: Array, to_floats: bool) -> GroupParameters:
        def leaf(place: Rows) -> Any:
            return float(rows[place][0]) if to_floats and isinstance(place, int) else rows[place]

        values = {}
        for name, (kind, places) in self.layouts[group].items():
            leaves = [leaf(place) for place in places]
            values[name] = kind(*leaves) if kind else leaves[0]
        return GroupParameters(values)


def _leaves(column: Any) -> list[Any]:
    """The fields of a body, or the only number or vector."""
    if is_dataclass(column):
        return [getattr(column, field.name) for field in fields(column)]
    return [column]


class Points:
    """Positions (head units) and their owners: None if all belong to the table's only identity."""

    def __init__(self, xyz: Vectors, table: ParameterTable, owners: Index | None) -> None:
        self.xyz = xyz
        self.table = table
        self.owners = owners
        self._groups: dict[str, GroupParameters] = {}

    def __len__(self) -> int:
        return self.xyz.shape[1]

    @property
    def x(self) -> Scalars:
        """Coordinate to the subject's left."""
        return self.xyz[0]

    @property
    def y(self) -> Scalars:
        """Coordinate upwards."""
        return self.xyz[1]

    @property
    def z(self) -> Scalars:
        """Coordinate out of the face."""
        return self.xyz[2]

    @cached_property
    def folded(self) -> Vectors:
        """Positions with |x| for x, for parts that are symmetric."""
        folded = self.xyz * 1
        folded[0] = abs(folded[0])
        return folded

    def of(self, group: str) -> GroupParameters:
        """The numbers of a group."""
        if group not in self._groups:
            self._groups[group] = self.table.of(group, self.owners)
        return self._groups[group]

    def take(self, index: Index | slice) -> "Points":
        """Some of the points."""
        owners = None if self.owners is None else self.owners[index]
        return Points(take_columns(self.xyz, index), self.table, owners)

    def where(self, mask: Mask) -> tuple[Index, "Points"]:
        """Places of the points where a mask holds, and these points."""
        index = nonzero(mask)
        return index, self.take(index)

    def near(self, mask: Mask, distance: Callable[["Points"], Scalars]) -> Scalars:
        """A distance where a mask holds; `FAR` elsewhere."""
        distances = full_like(self.x, FAR)
        index, members = self.where(mask)
        if len(members):
            distances[index] = distance(members)
        return distances

    def several(self, positions: list[Vectors]) -> "Points":
        """Several positions of each owner, one list after another."""
        owners = None if self.owners is None else concatenate([self.owners] * len(positions))
        return Points(concatenate(positions), self.table, owners)
