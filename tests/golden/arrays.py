"""Stored numbers of the reference: files of arrays, and a record of what was compared with them."""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

COMMITTED = Path(__file__).parent
FULL_SET = "MIMIC3D_GOLDENS"  # environment variable: the folder of the full set
TOLERANCE = 1e-5  # relative L2 in float32; the reference's own spread over threads is 1e-6
GRADIENT_TOLERANCE = 5e-5  # gradients of scalars are sums over all pixels that nearly cancel
PART = "@"  # in the subset, between the name of an array and the part of it that was kept


def golden_folder() -> Path:
    """Where the numbers lie: beside this file, or the full set."""
    return Path(os.environ.get(FULL_SET, COMMITTED))


def parse_part(text: str) -> tuple[slice, ...]:
    """`:1,,::4` -> the slices [:1, :, ::4]."""
    axes = [[int(step) if step else None for step in axis.split(":")] for axis in text.split(",")]
    return tuple(slice(*steps) if len(steps) > 1 else slice(None) for steps in axes)


class Stored(Tensor):
    """An array that knows where it was read; whatever is computed from it is an ordinary tensor."""

    file: str
    array: str
    part: tuple[slice, ...] | None

    __torch_function__ = torch._C._disabled_torch_function_impl  # pyright: ignore[reportAssignmentType]


@dataclass(frozen=True)
class Comparison:
    """How well an array was met: relative L2 error, what was allowed, and how it is stored."""

    error: float
    tolerance: float
    half_precision: bool = False


def relative_error(actual: Tensor, expected: Tensor, size: float | None = None) -> float:
    """|actual - expected| / |expected| in float64, or another size; absolute if that is zero."""
    wanted = expected.detach().double()
    difference = (actual.detach().double() - wanted).norm().item()
    return difference / ((wanted.norm().item() if size is None else size) or 1.0)


@dataclass
class Record:
    """What the tests of a session read and compared, by file and name of the array."""

    read: set[tuple[str, str]] = field(default_factory=set, repr=False)
    compared: dict[tuple[str, str], Comparison] = field(default_factory=dict, repr=False)

    def agree(
        self, actual: Tensor, expected: Tensor, tolerance: float = TOLERANCE,
        size: float | None = None,
    ) -> None:  # fmt: skip
        """Asserts that a tensor equals an array, as it was read from its file, up to rounding.

        A sum that vanishes but for rounding has no digits of its own; `size` is then that of its
        terms.
        """
        if not isinstance(expected, Stored):
            raise TypeError("the second argument must be an array as stored; reshape the first one")
        where = f"{expected.file} {expected.array}"
        if expected.part is not None:
            assert actual.dim() == len(expected.part), where
            actual = actual[expected.part]
        assert actual.shape == expected.shape, f"{where}: {actual.shape}, not {expected.shape}"
        error = relative_error(actual, expected, size)
        half = expected.dtype == torch.float16
        self._note(expected.file, expected.array, Comparison(error, tolerance, half))

    def agree_names(self, actual: Iterable[str], file: str, name: str, names: set[str]) -> None:
        """Asserts that a set of names equals a stored one."""
        different = set(actual) ^ names
        assert not different, f"{file} {name}: {sorted(different)}"
        self._note(file, name, Comparison(0.0, TOLERANCE))

    def _note(self, file: str, name: str, found: Comparison) -> None:
        """Keeps the worst comparison with an array; one that fails is kept, and fails."""
        worst = self.compared.get((file, name), found)
        if not found.error * worst.tolerance < worst.error * found.tolerance:
            self.compared[file, name] = found
        assert found.error <= found.tolerance, (
            f"{file} {name}: relative L2 error {found.error:.2e} exceeds {found.tolerance:.0e}"
        )


class Arrays(Mapping[str, Stored]):
    """The arrays of one file, by name; loaded when asked for, and the request is recorded."""

    def __init__(self, file: str, record: Record):
        self.file, self.record = file, record
        self._archive = np.load(golden_folder() / f"{file}.npz")
        self._keys = {key.partition(PART)[0]: key for key in self._archive.files}
        self._loaded: dict[str, Stored] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, name: object) -> bool:
        return name in self._keys

    def __getitem__(self, name: str) -> Stored:
        if name not in self._loaded:
            tensor = torch.from_numpy(self._read(name)).as_subclass(Stored)
            part = self._keys[name].partition(PART)[2]
            tensor.file, tensor.array = self.file, name
            tensor.part = parse_part(part) if part else None
            self._loaded[name] = tensor
        return self._loaded[name]

    def text(self, name: str) -> str:
        """An array that is one string."""
        return str(self._read(name))

    def names(self, name: str) -> set[str]:
        """An array of strings."""
        return {str(entry) for entry in self._read(name)}

    def agree(
        self, actual: Tensor, name: str, tolerance: float = TOLERANCE, size: float | None = None
    ) -> None:
        """Asserts that a tensor equals the array of this name up to rounding."""
        self.record.agree(actual, self[name], tolerance, size)

    def agree_names(self, actual: Iterable[str], name: str) -> None:
        """Asserts that a set of names equals the array of strings of this name."""
        self.record.agree_names(actual, self.file, name, self.names(name))

    def weights(self, prefix: str, renamed: str = "") -> dict[str, Tensor]:
        """Arrays by what follows the prefix; without resampling filters, which ours computes."""
        found = [k for k in self if k.startswith(prefix) and not k.endswith("resample_filter")]
        return {renamed + k.removeprefix(prefix): self[k].clone() for k in found}

    def leaf(self, name: str) -> Tensor:
        """A copy that gradients can be asked of."""
        return self[name].clone().requires_grad_()

    def check_gradients(
        self, outputs: Iterable[Tensor], inputs: dict[str, Tensor], modules: dict[str, nn.Module]
    ) -> None:
        """Every stored gradient of sum(y * g) over the outputs, g drawn from a seed for each."""
        loss = torch.zeros(())
        for k, y in enumerate(outputs):
            seed = int(self[f"g{k}_seed"]) if f"g{k}_seed" in self else 100 + k
            loss = loss + (y * seeded_normal(seed, y.shape)).sum()
        loss.backward()
        leaves = {f"grad.{name}": leaf for name, leaf in inputs.items()}
        for prefix, module in modules.items():
            leaves |= {f"grad.sd.{prefix}{k}": p for k, p in module.named_parameters()}
        assert leaves.keys() == {name for name in self if name.startswith("grad.")}
        for name, leaf in leaves.items():
            assert leaf.grad is not None, name
            self.agree(leaf.grad, name, GRADIENT_TOLERANCE)

    def _read(self, name: str) -> np.ndarray:
        self.record.read.add((self.file, name))
        return self._archive[self._keys[name]]


def seeded_normal(seed: int, shape: tuple[int, ...]) -> Tensor:
    """Standard normal numbers in float32, from numpy's frozen generator."""
    return torch.from_numpy(np.random.RandomState(seed).standard_normal(shape).astype(np.float32))
