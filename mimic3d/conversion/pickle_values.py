"""Stand-ins for the classes and functions that the authors' pickles name: inert values.

Each function gets the arguments that the file gives to the one it stands for, checks all of them,
and fails with a ValueError that completes the sentence "the file must be ..., but".
"""

import io
import math
import struct
from dataclasses import dataclass

import torch
from jaxtyping import Shaped
from torch import Tensor

from mimic3d.conversion.allowlist import Allowlist, Global, Name, StatefulValue
from mimic3d.conversion.pickle_machine import run_pickle

STORAGES: dict[Name, torch.dtype] = {
    ("torch", "FloatStorage"): torch.float32,
    ("torch", "DoubleStorage"): torch.float64,
    ("torch", "HalfStorage"): torch.float16,
    ("torch", "LongStorage"): torch.int64,
}
STORAGE_MAGIC = 0x1950A86A20F9469CFC6C, 1001  # the first two pickles of torch.save's legacy format
STORAGE_OPCODES = 100  # more than each pickle of that format needs
MAX_LENGTH = 2**40  # of a storage; keeps integers far from overflow
MAX_AXES = 8  # of a tensor; convolution weights have 4
SCALARS = {"f8": "<d", "f4": "<f", "i8": "<q", "i4": "<i", "b1": "?"}  # numpy's names: struct's


@dataclass(eq=False)
class PickledObject(StatefulValue):
    """An object of the file: what its class was called, and its attributes."""

    class_name: str
    attributes: dict | None = None

    def build(self, state: object) -> None:
        """Take the attributes, once."""
        if self.attributes is not None or not isinstance(state, dict):
            raise ValueError(f"a {self.class_name[:80]!a} is given attributes twice, or no dict")
        self.attributes = state

    def get(self, name: str) -> object:
        """An attribute; None where it is missing."""
        return (self.attributes or {}).get(name)


@dataclass(eq=False)
class Storage:
    """Flat data of exactly one tensor."""

    data: Shaped[Tensor, " values"]
    taken: bool = False


@dataclass(frozen=True)
class ScalarType(StatefulValue):
    """A little-endian numpy dtype of single numbers, by struct's name."""

    code: str

    def build(self, state: object) -> None:
        """Check the state, which says nothing new."""
        plain = isinstance(state, tuple) and all(
            item is None or isinstance(item, int | str) for item in state[:8]
        )
        if not plain or state not in [(3, o, None, None, None, -1, -1, 0) for o in "<|"]:
            raise ValueError("a numpy dtype is no plain little-endian number")


def persistent_object(arguments: tuple) -> PickledObject:
    """An object without its `module_src`, source text that normal loading would execute."""
    match arguments:
        case ({"type": "class", "class_name": str() as name, "state": dict() as state},):
            return PickledObject(name, state)
    raise ValueError("a persistent object has no class name and state")


def ordered_dict(arguments: tuple) -> dict:
    """An empty dict."""
    if arguments:
        raise ValueError("an OrderedDict is made with arguments")
    return {}


def parameter(arguments: tuple) -> Tensor:
    """The tensor of a parameter."""
    match arguments:
        case (Tensor() as data, bool(), dict() as hooks) if not hooks:
            return data
    raise ValueError("a parameter is no plain tensor")


def tensor(arguments: tuple) -> Tensor:
    """A view of a storage that lies inside it and has no more elements than it."""
    match arguments:
        case (Storage() as storage, int() as offset, tuple() as size, tuple() as stride, bool(),
              dict() as hooks) if not hooks and not storage.taken:  # fmt: skip
            _check_view(storage.data.numel(), offset, size, stride)
            storage.taken = True
            return storage.data.as_strided(size, stride, offset)
    raise ValueError("a tensor is not given as one storage, offset, size and stride")


def _check_view(length: int, offset: int, size: tuple, stride: tuple) -> None:
    if len(size) != len(stride) or len(size) > MAX_AXES:
        raise ValueError(f"a tensor has more than {MAX_AXES} axes, or not one stride for each")
    numbers = (offset, *size, *stride)
    if not all(type(number) is int and 0 <= number <= MAX_LENGTH for number in numbers):
        raise ValueError("a tensor's offset, size or stride is no number that fits")
    count = math.prod(size)
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if count > length or offset > length or (count and last >= length):
        raise ValueError("a tensor is larger than its storage or reaches beyond it")


def storage(payload: bytes) -> Storage:
    """A storage as torch.save's legacy format writes it: five pickles, a length, the data.

    Every PyTorch pickles storages like that, 1.11 as well as 2.13. torch.load could read them, but
    it allocates the length that is declared before it looks at the data.
    """
    stream = io.BytesIO(payload)
    plain = Allowlist()
    magic, protocol, system = (run_pickle(stream, plain, STORAGE_OPCODES) for _ in range(3))
    if (magic, protocol) != STORAGE_MAGIC or not isinstance(system, dict):
        raise ValueError("a storage is not in torch.save's legacy format")
    if system.get("little_endian") is not True:
        raise ValueError("a storage is not little-endian")
    types = Allowlist(inert=frozenset(STORAGES), persistent=lambda identity: identity)
    identity = run_pickle(stream, types, STORAGE_OPCODES)
    keys = run_pickle(stream, plain, STORAGE_OPCODES)
    match identity:
        case ("storage", Global(kind), str() as key, str(), int() as length, None) if keys == [key]:
            return Storage(_flat(stream.read(8), stream.read(), length, STORAGES[kind]))
    raise ValueError("a storage is not in torch.save's legacy format")


def _flat(
    declared: bytes, data: bytes, length: int, dtype: torch.dtype
) -> Shaped[Tensor, " values"]:
    if not 0 <= length <= MAX_LENGTH or declared != length.to_bytes(8, "little"):
        raise ValueError("a storage has two lengths, or one that does not fit")
    if len(data) != length * dtype.itemsize:
        raise ValueError("a storage is shorter or longer than it says")
    if not data:
        return torch.empty(0, dtype=dtype)
    return torch.frombuffer(bytearray(data), dtype=dtype)


def scalar_type(arguments: tuple) -> ScalarType:
    """A numpy dtype."""
    match arguments:
        case (str() as name, bool(), bool()) if name in SCALARS:
            return ScalarType(SCALARS[name])
    raise ValueError("a numpy dtype is no plain number")


def scalar(arguments: tuple) -> float:
    """A numpy number as Python's."""
    match arguments:
        case (ScalarType(code), bytes() as data) if len(data) == struct.calcsize(code):
            return struct.unpack(code, data)[0]
    raise ValueError("a numpy scalar is no plain number")
