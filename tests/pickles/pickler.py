"""A pickler for classes that nobody has here: byte for byte what the authors' code would write."""

import io
import pickle
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

MODULE_SRC = "raise SystemExit('the source text of a pickle was executed')\n"


@dataclass(frozen=True)
class Name:
    """A global by its import path, which need not exist."""

    module: str
    name: str

    def __call__(self) -> None:
        raise AssertionError("a pickler calls nothing")


@dataclass(eq=False)
class Call:
    """A value that unpickling makes by a call."""

    function: Name
    arguments: tuple

    def __reduce__(self) -> tuple:
        return self.function, self.arguments


@dataclass(eq=False)
class Instance:
    """An object of an ordinary class, made without arguments and then given its state."""

    cls: Name
    state: object


class EasyDict(dict):
    """dnnlib.util.EasyDict."""


def persistent(class_name: str, state: dict, module_src: str = MODULE_SRC) -> Call:
    """An object of a class decorated as persistent: its source text travels along."""
    meta = {"type": "class", "version": 6, "module_src": module_src,
            "class_name": class_name, "state": state}  # fmt: skip
    return Call(Name("torch_utils.persistence", "_reconstruct_persistent_obj"), (meta,))


def numpy1_scalar(value: float) -> Call:
    """A double as numpy 1 pickles it; the installed numpy writes another module path."""
    return Call(Name("numpy.core.multiarray", "scalar"), np.float64(value).__reduce__()[1])


def write_pickle(value: object, protocol: int = 4) -> bytes:
    """The pickle of a value."""
    stream = io.BytesIO()
    _Writer(stream, protocol).dump(value)
    return stream.getvalue()


class _Writer(pickle._Pickler):
    dispatch: ClassVar = dict(pickle._Pickler.dispatch)

    def save_name(self, obj: Name) -> None:
        if self.proto >= 4:
            self.save(obj.module)
            self.save(obj.name)
            self.write(pickle.STACK_GLOBAL)
        else:
            self.write(pickle.GLOBAL + f"{obj.module}\n{obj.name}\n".encode())
        self.memoize(obj)

    def save_instance(self, obj: Instance) -> None:
        self.save(obj.cls)
        self.save(())
        self.write(pickle.NEWOBJ)
        self.memoize(obj)
        self.save(obj.state)
        self.write(pickle.BUILD)

    def save_easy_dict(self, obj: EasyDict) -> None:
        self.save(Name("dnnlib.util", "EasyDict"))
        self.save(())
        self.write(pickle.NEWOBJ)
        self.memoize(obj)
        self._batch_setitems(obj.items())

    dispatch[Name] = save_name
    dispatch[Instance] = save_instance
    dispatch[EasyDict] = save_easy_dict
