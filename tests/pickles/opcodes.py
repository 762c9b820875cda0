"""Pickles by hand, opcode by opcode."""

import pickle
import struct

PROTO2, PROTO4 = b"\x80\x02", b"\x80\x04"
STOP, MARK = b".", b"("
STORAGE_HEAD = (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def data(value: bytes) -> bytes:
    return b"B" + struct.pack("<I", len(value)) + value


def integer(value: int) -> bytes:
    digits = pickle.encode_long(value)
    return b"\x8a" + bytes([len(digits)]) + digits


def integers(*values: int) -> bytes:
    return MARK + b"".join(map(integer, values)) + b"t"


def named(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def stack_named(module: str, name: str) -> bytes:
    return text(module) + text(name) + b"\x93"


def call(function: bytes, *arguments: bytes) -> bytes:
    return function + MARK + b"".join(arguments) + b"tR"


def new(kind: bytes, *arguments: bytes) -> bytes:
    return kind + MARK + b"".join(arguments) + b"t\x81"


LOAD = named("torch.storage", "_load_from_bytes")
REBUILD = named("torch._utils", "_rebuild_tensor_v2")
ORDERED = named("collections", "OrderedDict")


def tensor(payload: bytes, offset: int, size: tuple, stride: tuple) -> bytes:
    """A tensor that views the storage in these bytes."""
    loaded = call(LOAD, data(payload))
    hooks = call(ORDERED)
    return call(
        REBUILD, loaded, integer(offset), integers(*size), integers(*stride), b"\x89", hooks
    )


def storage(
    values: int = 6, declared: int | None = None, kind: str = "FloatStorage", tail: bytes = b""
) -> bytes:
    """A file of this many zeros as torch.save writes it, which can lie about their number."""
    head = b"".join(pickle.dumps(value, protocol=2) for value in STORAGE_HEAD)
    identity = PROTO2 + MARK + text("storage") + named("torch", kind) + text("0") + text("cpu")
    identity += integer(values if declared is None else declared) + b"NtQ" + STOP
    keys = pickle.dumps(["0"], protocol=2)
    return head + identity + keys + struct.pack("<q", values) + bytes(4 * values) + tail
