"""The authors' network pickles as plain records; no code of the file is run, no module imported.

Normal loading of these files executes source text that they carry, and whatever else somebody put
into them. Here every name that a file may use has a stand-in of ours; a file that uses any other is
refused. The names are those of classes and functions that the authors' code, PyTorch (1.11 to
2.13) and numpy (1 and 2) write, as pickling such networks showed.
"""

import mmap
from pathlib import Path

from torch import Tensor

from mimic3d.conversion import pickle_values
from mimic3d.conversion.allowlist import Allowlist, Name
from mimic3d.conversion.pickle_machine import run_pickle
from mimic3d.conversion.pickle_values import PickledObject, Storage

# Modules that the authors' code pickles by import path; all others carry their source along.
MODULE_CLASSES: tuple[Name, ...] = (
    ("training.triplane", "OSGDecoder"),
    ("training.volumetric_rendering.renderer", "ImportanceRenderer"),
    ("training.volumetric_rendering.ray_marcher", "MipRayMarcher2"),
    ("training.volumetric_rendering.ray_sampler", "RaySampler"),
    ("torch.nn.modules.container", "Sequential"),
    ("torch.nn.modules.activation", "Softplus"),
)
MAX_OPCODES = 1_000_000  # four networks of full size have 0.06 million
MAX_NAME = 200  # characters of the dotted name of a tensor


def read_pickle(path: Path) -> object:
    """Contents of a pickle: objects, tensors on the CPU, dicts, lists, numbers and strings.

    Raises:
        ValueError: it is damaged, or holds anything that the authors' networks do not.
    """
    if not path.is_file():
        raise ValueError(f"the pickle to read must be a file, {path} is none; check the path")
    size = path.stat().st_size
    try:
        if size == 0:
            raise ValueError("it is empty")
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
            allowed = _AllowlistBuilder(budget=2 * size).allowed
            value = run_pickle(view, allowed, MAX_OPCODES)
            if view.tell() != size:
                raise ValueError(f"{size - view.tell()} bytes follow its end")
            return value
    except ValueError as error:
        raise ValueError(
            f"{path} must be an undamaged network pickle that the code of Mimic3D or EG3D wrote, "
            f"but {error}; nothing in it was executed, download it from its authors again"
        ) from error


def read_weights(network: PickledObject) -> dict[str, Tensor]:
    """Parameters and persistent buffers of a module and those inside it, by dotted name.

    Raises:
        ValueError: the object is no module, or modules are nested in a way that no network is.
    """
    weights: dict[str, Tensor] = {}
    visited: set[int] = set()
    queue = [("", network)]
    while queue:
        prefix, module = queue.pop()
        transient = module.get("_non_persistent_buffers_set")
        for group in ("_parameters", "_buffers", "_modules"):
            for name, value in _members(module, group, visited):
                full = f"{prefix}{name}"
                if len(full) > MAX_NAME:
                    raise ValueError(f"the name {full[:40]!a}... is too long for a tensor")
                if isinstance(value, PickledObject) and group == "_modules":
                    queue.append((f"{full}.", value))
                elif isinstance(value, Tensor) and group != "_modules" and full not in weights:
                    if not (isinstance(transient, set) and name in transient):
                        weights[full] = value
                elif value is not None:
                    raise ValueError(f"{full!a} must be one tensor or module, is something else")
    return weights


def _members(module: PickledObject, group: str, visited: set[int]) -> list[tuple[str, object]]:
    """The items of a group, once: repetitions can multiply endlessly."""
    members = module.get(group)
    if not isinstance(members, dict) or not all(isinstance(name, str) for name in members):
        raise ValueError(f"{group} of {module.class_name[:80]!a} must be a dict by name, is not")
    if id(members) in visited:
        raise ValueError(f"{group} of {module.class_name[:80]!a} occur twice in the network")
    visited.add(id(members))
    return list(members.items())


class _AllowlistBuilder:
    """The stand-ins for one file, and what they may still allocate, in bytes or items.

    A short file could otherwise ask for the same large copy again and again. Honest files copy
    their tensors once, and protocol 2 copies their bytes, which it stores as text, once more.
    """

    def __init__(self, budget: int):
        self.budget = budget
        self.allowed = Allowlist(
            calls={
                ("torch_utils.persistence", "_reconstruct_persistent_obj"): (
                    pickle_values.persistent_object
                ),
                ("collections", "OrderedDict"): pickle_values.ordered_dict,
                ("torch._utils", "_rebuild_tensor_v2"): pickle_values.tensor,
                ("torch._utils", "_rebuild_parameter"): pickle_values.parameter,
                ("torch.storage", "_load_from_bytes"): self._storage,
                ("numpy", "dtype"): pickle_values.scalar_type,
                ("numpy.core.multiarray", "scalar"): pickle_values.scalar,  # numpy 1
                ("numpy._core.multiarray", "scalar"): pickle_values.scalar,  # numpy 2
                ("_codecs", "encode"): self._text_to_bytes,  # how protocol 2 writes bytes
                ("__builtin__", "set"): self._set,  # how protocol 2 writes sets
                ("builtins", "set"): self._set,  # how protocol 3 writes sets
            },
            classes={("dnnlib.util", "EasyDict"): dict}
            | {name: lambda name=name: PickledObject(".".join(name)) for name in MODULE_CLASSES},
        )

    def _spend(self, amount: int) -> None:
        self.budget -= amount
        if self.budget < 0:
            raise ValueError("it asks for more memory than its size explains")

    def _storage(self, arguments: tuple) -> Storage:
        match arguments:
            case (bytes() as payload,):
                self._spend(len(payload))
                return pickle_values.storage(payload)
        raise ValueError("a storage is not given as bytes")

    def _text_to_bytes(self, arguments: tuple) -> bytes:
        match arguments:
            case (str() as text, "latin1"):
                self._spend(len(text))
                return text.encode("latin1")
        raise ValueError("bytes are not given as latin1 text")

    def _set(self, arguments: tuple) -> set[str]:
        match arguments:
            case (list() as items,):
                self._spend(len(items))
                if all(isinstance(item, str) for item in items):
                    return set(items)
        raise ValueError("a set is not given as a list of strings")
