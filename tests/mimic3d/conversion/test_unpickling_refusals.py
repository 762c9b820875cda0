"""Pickles that are harmful, enormous or odd are refused, and nothing of them runs."""

import copyreg
import io
import pickle
import shutil
import struct
import tracemalloc
from contextlib import suppress

import pytest
from pickles.audit import nothing_happens
from pickles.malice import EXTENSION, harmful
from pickles.opcodes import (
    LOAD,
    MARK,
    ORDERED,
    PROTO2,
    REBUILD,
    STOP,
    call,
    data,
    integer,
    integers,
    named,
    new,
    storage,
    tensor,
    text,
)

from mimic3d.conversion.allowlist import Allowlist
from mimic3d.conversion.pickle_machine import run_pickle
from mimic3d.conversion.unpickling import read_pickle

HARMFUL = [name for name, _ in harmful("/nowhere")]
SOFTPLUS = named("torch.nn.modules.activation", "Softplus")
MODULE = new(SOFTPLUS)
DTYPE = call(named("numpy", "dtype"), text("f8"), b"\x89", b"\x88")
PERSISTENT = named("torch_utils.persistence", "_reconstruct_persistent_obj")
NO_HOOKS = call(ORDERED)


@pytest.fixture
def read(tmp_path):
    """Reads bytes as a file, and asserts that nothing else happens."""
    path = tmp_path / "network.pkl"

    def read_bytes(content: bytes):
        path.write_bytes(content)
        with nothing_happens():
            return read_pickle(path)

    return read_bytes


@pytest.mark.parametrize("name", HARMFUL)
def test_harmful_pickles_are_refused(read, tmp_path, name):
    canary = tmp_path / "canary"
    content = dict(harmful(canary))[name]
    copyreg.add_extension(*EXTENSION)
    try:
        with pytest.raises(ValueError, match="nothing in it was executed"):
            read(content)
        assert not canary.exists()
        with suppress(Exception):  # most of them fail after the harm is done
            pickle.loads(content)
        assert canary.exists(), "loaded as usual, it is harmless"
    finally:
        copyreg.remove_extension(*EXTENSION)
        shutil.rmtree(canary, ignore_errors=True)


BOMBS = {
    "stride_0": (tensor(storage(), 0, (2**20, 2**20), (0, 0)), "larger than its storage"),
    "size": (tensor(storage(), 0, (2**39,), (1,)), "larger than its storage"),
    "overflow": (tensor(storage(), 0, (2**200, 2), (1, 1)), "no number that fits"),
    "beyond": (tensor(storage(), 5, (2,), (1,)), "reaches beyond"),
    "far_stride": (tensor(storage(), 0, (2, 2), (2**39, 1)), "reaches beyond"),
    "offset_of_nothing": (tensor(storage(), 7, (0,), (1,)), "reaches beyond"),
    "negative_offset": (tensor(storage(), -1, (2,), (1,)), "no number that fits"),
    "negative_stride": (tensor(storage(), 5, (2,), (-1,)), "no number that fits"),
    "axes": (tensor(storage(), 0, (1,) * 9, (1,) * 9), "more than 8 axes"),
    "declared_length": (tensor(storage(6, 2**38), 0, (2,), (1,)), "two lengths"),
    "huge_length": (tensor(storage(6, 2**63), 0, (2,), (1,)), "does not fit"),
    "negative_length": (tensor(storage(6, -6), 0, (2,), (1,)), "does not fit"),
    "longer_data": (tensor(storage(tail=b"1234"), 0, (2,), (1,)), "shorter or longer"),
    "shorter_data": (tensor(storage()[:-1], 0, (2,), (1,)), "shorter or longer"),
    "other_storage": (tensor(storage(kind="ComplexFloatStorage"), 0, (2,), (1,)), "is not allowed"),
    "storage_twice": (
        MARK + call(LOAD, data(storage())) + b"q\x01" + b"".join(
            call(REBUILD, b"h\x01", integer(0), integers(6), integers(1), b"\x89", NO_HOOKS)
            for _ in range(2)
        ) + b"t", "one storage",
    ),
    "same_bytes_again": (
        data(storage(1000)) + b"q\x01" + MARK + (LOAD + b"h\x01\x85R") * 9 + b"t\x86",
        "more memory than its size",
    ),
    "same_text_again": (
        text("x" * 9999) + b"q\x01" + MARK
        + (named("_codecs", "encode") + b"h\x01" + text("latin1") + b"\x86R") * 9 + b"t\x86",
        "more memory than its size",
    ),
    "long4": (b"\x8b" + struct.pack("<i", 2**31 - 1), "not enough data"),
    "long4_that_fits": (b"\x8b" + struct.pack("<i", 1) + b"\x01", "LONG4 is not allowed"),
    "binbytes8": (b"\x8e" + struct.pack("<Q", 2**62), "only 1 remain"),
    "binbytes": (b"B" + struct.pack("<I", 2**32 - 1), "only 1 remain"),
    "binunicode": (b"X" + struct.pack("<I", 2**32 - 1), "only 1 remain"),
    "bytearray8": (b"\x96" + struct.pack("<Q", 2**40), "only 1 remain"),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_without_memory(read, name):
    content, message = BOMBS[name]
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=message):
            read(PROTO2 + content + STOP)
        assert tracemalloc.get_traced_memory()[1] < 10 * len(content) + 2**20
    finally:
        tracemalloc.stop()


REFUSED = {
    "build_on_a_name": (ORDERED + b"}b", "a state is given to a value that has none"),
    "build_on_a_dict": (b"}}b", "a state is given"),
    "build_on_a_tensor": (tensor(storage(), 0, (2,), (1,)) + b"}b", "a state is given"),
    "build_on_nothing": (b"}b", "a state is given"),
    "build_with_slots": (MODULE + b"N}\x86b", "given attributes twice, or no dict"),
    "build_twice": (MODULE + b"}b}b", "given attributes twice"),
    "instance_with_arguments": (new(SOFTPLUS, b"K\x01"), "made with arguments"),
    "instance_of_a_function": (new(REBUILD), "an instance of 'torch._utils._rebuild_tensor_v2'"),
    "instance_of_text": (new(text("dict")), "an instance of a value of type str"),
    "call_of_a_class": (call(named("dnnlib.util", "EasyDict")), "'dnnlib.util.EasyDict' is called"),
    "call_of_text": (call(text("posix.system"), text("true")), "a value of type str is called"),
    "call_of_a_record": (call(MODULE), "a value of type PickledObject is called"),
    "call_without_tuple": (ORDERED + b"]R", "is called with a value of type list"),
    "ordered_dict_of_items": (call(ORDERED, b"]"), "made with arguments"),
    "memo_written_twice": (b"Nq\x01q\x01", "written twice"),
    "memo_written_with_nothing": (b"q\x01", "written twice, or with nothing"),
    "memo_unwritten": (b"h\x01", "read before it is written"),
    "append_to_a_tuple": (b")Na", "put into what is no list"),
    "append_to_a_name": (ORDERED + b"Na", "put into what is no list"),
    "items_into_a_list": (b"]K\x00Ns", "put into what is no dict"),
    "items_into_attributes": (MODULE + b"(" + text("x") + b"Nu", "put into what is no dict"),
    "half_an_item": (b"}(Nu", "no value"),
    "key_that_is_no_text": (b"})Ns", "neither string nor integer"),
    "set_of_numbers": (b"\x8f(K\x01\x90", "no string"),
    "set_of_a_dict": (call(named("builtins", "set"), b"}"), "not given as a list"),
    "empty_stack": (b"\x85", "stack is empty"),
    "no_mark": (b"t", "a mark is missing"),
    "beneath_a_mark": (b"K\x01(\x85", "stack is empty"),
    "left_over": (b"K\x01K\x02", "left on its stack"),
    "left_over_mark": (b"(K\x01", "left on its stack"),
    "dup": (b"K\x012", "DUP is not allowed"),
    "pop_mark": (b"(1N", "POP_MARK is not allowed"),
    "text_number": (b"I1\n", "INT is not allowed"),
    "text_string": (b"S'x'\n", "STRING is not allowed"),
    "python2_bytes": (b"U\x01x", "SHORT_BINSTRING is not allowed"),
    "persistent_id": (b"P0\n", "PERSID is not allowed"),
    "binary_persistent_id": (b"NQ", "BINPERSID is not allowed"),
    "frozenset": (b"(\x91", "FROZENSET is not allowed"),
    "buffer": (b"\x97", "NEXT_BUFFER is not allowed"),
    "protocol_again": (b"\x80\x02N", "PROTO is not allowed"),
    "unregistered_extension": (b"\x82\xf0", "EXT1 is not allowed"),
    "codec": (call(named("_codecs", "encode"), text("x"), text("rot13")), "not given as latin1"),
    "codecs": (call(named("codecs", "encode"), text("x"), text("latin1")), "'codecs.encode'"),
    "split_elsewhere": (named("dnnlib", "util.EasyDict"), "'dnnlib.util.EasyDict' is not allowed"),
    "attribute_of_a_class": (named("collections", "OrderedDict.fromkeys"), "is not allowed"),
    "space_in_a_name": (named("collections OrderedDict", ""), "is not allowed"),
    "terminal_codes": (named("\x1b[2J", "x"), r"'\\x1b\[2J.x' is not allowed"),
    "name_of_bytes": (data(b"os") + text("x") + b"\x93", "a name is no string"),
    "call_by_name": (named("dnnlib.util", "call_func_by_name"), "is not allowed"),
    "import_hook": (named("torch_utils.persistence", "import_hook"), "is not allowed"),
    "other_module": (named("torch.nn.modules.linear", "Linear"), "is not allowed"),
    "newer_tensor": (named("torch._utils", "_rebuild_tensor_v3"), "is not allowed"),
    "big_endian": (
        DTYPE + MARK + integer(3) + text(">") + b"NNN" + integer(-1) * 2 + integer(0) + b"tb",
        "little-endian",
    ),
    "dtype_state_of_tensors": (
        DTYPE + MARK + tensor(storage(), 0, (6,), (1,)) + b"NNNNNNNtb", "little-endian"),
    "object_dtype": (call(named("numpy", "dtype"), text("O"), b"\x89\x88"), "no plain number"),
    "short_scalar": (call(named("numpy._core.multiarray", "scalar"), DTYPE, data(b"123")),
                     "no plain number"),
    "persistent_function": (call(PERSISTENT, b"}" + text("type") + text("function") + b"s"),
                            "no class name and state"),
    "persistent_nothing": (call(PERSISTENT), "no class name and state"),
    "parameter_of_text": (call(named("torch._utils", "_rebuild_parameter"), text("x")),
                          "no plain tensor"),
    "tensor_of_text": (call(REBUILD, text("x")), "not given as one storage"),
    "tensor_with_hooks": (
        call(REBUILD, call(LOAD, data(storage())), integer(0), integers(6), integers(1), b"\x89",
             b"}K\x01Ns"), "not given as one storage"),
    "storage_of_text": (call(LOAD, text("x")), "not given as bytes"),
    "empty_storage_file": (call(LOAD, data(b"")), "no pickle of protocol"),
    "cut_storage_file": (call(LOAD, data(storage()[:40])), "exhausted|remain"),
    "nothing": (b"", "stack is empty"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_tricks_are_refused(read, name):
    content, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        read(PROTO2 + content + STOP)


def test_opcodes_are_limited():
    with pytest.raises(ValueError, match="more than 100 opcodes"):
        run_pickle(io.BytesIO(PROTO2 + b"]" * 101), Allowlist(), 100)
