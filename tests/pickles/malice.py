"""Pickles that do harm when they are loaded as usual; the harm here is to make a folder."""

import io
import os
import pickle
from collections.abc import Iterator
from pathlib import Path

import torch
from pickles.opcodes import (
    LOAD,
    MARK,
    PROTO2,
    PROTO4,
    STOP,
    STORAGE_HEAD,
    call,
    data,
    named,
    new,
    stack_named,
    text,
)

MKDIR = "posix", "mkdir"
EXTENSION = "os", "makedirs", 200  # in the registry of extension codes, while a test needs it


class Evil:
    """Unpickles by making a folder."""

    def __init__(self, canary: Path):
        self.canary = canary

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.canary),)


def harmful(canary: Path | str) -> Iterator[tuple[str, bytes]]:
    """Pickles whose usual loading makes the folder `canary`."""
    path = text(str(canary))
    mkdir, system = named(*MKDIR), named("posix", "system")
    shell = text(f"mkdir {canary}")
    python = text(f"__import__('os').mkdir({str(canary)!r})")
    softplus = named("torch.nn.modules.activation", "Softplus") + b")\x81"  # NEWOBJ
    yield "reduce_system", PROTO2 + call(system, shell) + STOP
    yield "reduce_mkdir", PROTO2 + call(mkdir, path) + STOP
    yield "stack_global", PROTO4 + call(stack_named(*MKDIR), path) + STOP
    parts = text("posix") + b"q\x00" + text("mkdir") + b"q\x01\x86"  # memo 0 and 1, a tuple of both
    yield "name_from_memo", PROTO4 + parts + call(b"h\x00h\x01\x93", path) + b"\x86" + STOP
    yield "function_from_memo", PROTO2 + mkdir + b"q\x05" + call(b"h\x05", path) + b"\x86" + STOP
    yield "eval", PROTO2 + call(named("builtins", "eval"), python) + STOP
    yield "exec", PROTO2 + call(named("builtins", "exec"), python) + STOP
    yield "python2_eval", PROTO2 + call(named("__builtin__", "eval"), python) + STOP
    module = call(named("builtins", "__import__"), text("os"))
    found = call(named("builtins", "getattr"), module, text("mkdir"))
    yield "getattr", PROTO2 + call(found, path) + STOP
    dotted = stack_named("torch.nn.modules.container", "torch.os.mkdir")
    yield "dotted_name", PROTO4 + call(dotted, path) + STOP
    dotted = stack_named("torch._utils", "torch.os.mkdir")
    yield "dotted_name_beside_a_good_one", PROTO4 + call(dotted, path) + STOP
    yield "partial", PROTO2 + call(call(named("functools", "partial"), mkdir, path)) + STOP
    yield "newobj", PROTO2 + new(
        named("builtins", "bytes"), new(named("builtins", "map"), mkdir, MARK + path + b"l")
    ) + STOP  # fmt: skip
    mapped = named("builtins", "map") + MARK + mkdir + MARK + path + b"lt}\x92"
    yield "newobj_ex", PROTO4 + new(named("builtins", "bytes"), mapped) + STOP
    yield "inst", PROTO2 + MARK + path + b"iposix\nmkdir\n" + STOP
    yield "obj", PROTO2 + MARK + mkdir + path + b"o" + STOP
    own_setstate = b"}" + text("__setstate__") + mkdir + b"sb"  # into its __dict__
    yield "build_setstate", PROTO2 + softplus + own_setstate + path + b"b" + STOP
    for size, opcode in ((1, b"\x82\xc8"), (2, b"\x83\xc8\x00"), (4, b"\x84\xc8\x00\x00\x00")):
        yield f"ext{size}", PROTO2 + call(opcode, path) + STOP
    inner = pickle.dumps(Evil(canary), protocol=2)
    yield "nested_pickle", PROTO2 + call(LOAD, data(inner)) + STOP
    magic = b"".join(pickle.dumps(v, protocol=2) for v in STORAGE_HEAD)
    yield "nested_after_magic", PROTO2 + call(LOAD, data(magic + inner)) + STOP
    archive = io.BytesIO()
    torch.save(Evil(canary), archive)
    yield "nested_zip", PROTO2 + call(LOAD, data(archive.getvalue())) + STOP
    yield "inside_a_list", PROTO2 + b"](" + call(mkdir, path) + b"K\x01e" + STOP
    yield "as_key", PROTO2 + b"}(" + text("G_ema") + call(mkdir, path) + b"u" + STOP
    yield "before_good_value", PROTO2 + call(mkdir, path) + b"0}" + STOP
    yield "second_pickle_first", pickle.dumps(Evil(canary), protocol=5)
    yield "protocol_0", pickle.dumps(Evil(canary), protocol=0)
