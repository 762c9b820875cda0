"""Pickles of the authors are read without running them; whatever is damaged is refused."""

import io
import pickle
import pickletools
import sys
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch
from pickles.audit import nothing_happens
from pickles.official import full_state, module_state, official_pickle
from pickles.opcodes import PROTO2, STOP, named, new, storage, tensor, text
from pickles.pickler import EasyDict, Instance, Name, numpy1_scalar, persistent, write_pickle

from mimic3d.conversion.pickle_machine import CONSTANTS, EMPTY, LITERALS, OPERATIONS, TUPLES
from mimic3d.conversion.unpickling import read_pickle, read_weights


@pytest.fixture
def read(tmp_path):
    """Reads bytes as a file, and asserts that nothing else happens."""
    path = tmp_path / "network.pkl"

    def read_bytes(content: bytes):
        path.write_bytes(content)
        with nothing_happens():
            return read_pickle(path)

    return read_bytes


def small_network() -> dict:
    """A bit of everything that networks have."""
    weights = {"weight": torch.randn(2, 3), "resample_filter": torch.ones(4, 4)}
    inner = Instance(Name("training.triplane", "OSGDecoder"), module_state(weights))
    state = module_state({"bias": torch.randn(3)}, {"decoder": inner}) | {
        "_non_persistent_buffers_set": {"a", "b"},
        "_init_kwargs": EasyDict(a=[1, (2,)], b=-1 << 40),
    }
    return {"G": persistent("TriPlaneGenerator", state), "augment_pipe": None}


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_protocols(read, protocol):
    contents = read(write_pickle(small_network(), protocol))
    assert contents.keys() == {"G", "augment_pipe"}
    G = contents["G"]
    assert G.class_name == "TriPlaneGenerator"
    assert G.get("_non_persistent_buffers_set") == {"a", "b"}
    assert G.get("_init_kwargs") == {"a": [1, (2,)], "b": -1 << 40}
    assert (G.get("weight_gain"), G.get("act_gain")) == (0.5**0.5, 2**0.5)  # numpy 2 and 1
    torch.manual_seed(0)
    weight, bias = torch.randn(2, 3), torch.randn(3)
    weights = read_weights(G)
    assert weights.keys() == {"bias", "decoder.weight", "decoder.resample_filter"}
    assert weights["decoder.weight"].equal(weight)
    assert weights["bias"].equal(bias)


@pytest.mark.slow
@pytest.mark.parametrize("net", ["tiny_2d", "tiny_3d"])
def test_official_pickle(read, net):
    contents = read(write_pickle(official_pickle(net)))
    for name, source in (("G_ema", "G"), ("G", "G"), ("D", "D"), ("D_patch", "D_patch")):
        if name in contents:
            weights, expected = read_weights(contents[name]), full_state(net, source)
            assert weights.keys() == expected.keys()
            assert all(weights[key].equal(value) for key, value in expected.items())
    assert ("D_patch" in contents) == (net == "tiny_3d")
    assert contents["training_set_kwargs"]["use_labels"] is True


def test_the_usual_way_of_loading_runs_the_source_text():
    """The writer's pickles are what Python's own machine reads; the canary in them is alive."""
    ran = []

    class Usual(pickle.Unpickler):
        def find_class(self, module, name):
            if name == "_reconstruct_persistent_obj":
                return lambda meta: ran.append(exec(meta["module_src"]))
            return super().find_class(module, name)

    with pytest.raises(SystemExit, match="was executed"):
        Usual(io.BytesIO(write_pickle(persistent("Anything", module_state({}))))).load()


def test_modules_named_like_the_authors_are_not_imported(read, tmp_path, monkeypatch):
    for module in ("torch_utils/persistence", "dnnlib/util", "training/triplane"):
        path = tmp_path / f"{module}.py"
        path.parent.mkdir()
        path.write_text("raise SystemExit('a module of the pickle was imported')")
    monkeypatch.syspath_prepend(tmp_path)
    read(write_pickle(small_network()))
    assert not {"torch_utils", "dnnlib", "training"} & set(sys.modules)


@pytest.fixture
def small() -> bytes:
    return write_pickle(small_network())


@pytest.mark.parametrize("other", ["truncated", "zip", "trailing", "two", "empty", "protocol_6"])
def test_other_files_are_refused(read, small, tmp_path, other):
    if other == "zip":
        with zipfile.ZipFile(tmp_path / "archive", "w") as archive:
            archive.writestr("archive/data.pkl", small)
        contents = [(tmp_path / "archive").read_bytes()]
    else:
        contents = {
            "truncated": [small[:size] for size in range(1, len(small), 29)],
            "trailing": [small + b"\n"],
            "two": [small + small],
            "empty": [b""],
            "protocol_6": [b"\x80\x06" + small[2:]],
        }[other]
    for content in contents:
        with pytest.raises(ValueError, match="must be an undamaged network pickle"):
            read(content)


def test_missing_file(tmp_path):
    with pytest.raises(ValueError, match="must be a file"):
        read_pickle(tmp_path / "nothing.pkl")
    with pytest.raises(ValueError, match="must be a file"):
        read_pickle(tmp_path)


def test_damage_is_a_sentence_or_a_value(read, small):
    """Whatever is changed, inserted or cut out: no other exception, and nothing happens."""
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(150):
        content = bytearray(small)
        for _ in range(rng.integers(1, 4)):
            place = rng.integers(2, len(content))
            kind = rng.integers(3)
            stop = place + (kind != 1) * int(rng.integers(1, 4))
            content[place:stop] = b"" if kind == 2 else rng.bytes(int(rng.integers(1, 4)))
        try:
            value = read(bytes(content))
            if isinstance(value, dict) and "G" in value:
                read_weights(value["G"])
        except ValueError:
            refused += 1
    assert refused > 75


def test_a_class_name_is_only_text(read):
    network = read(write_pickle(persistent("os.system", module_state({"bias": torch.ones(2)}))))
    assert network.class_name == "os.system"
    assert read_weights(network)["bias"].equal(torch.ones(2))


def test_handmade_tensor(read):
    assert read(PROTO2 + tensor(storage(), 0, (2, 3), (3, 1)) + STOP).equal(torch.zeros(2, 3))
    assert read(PROTO2 + tensor(storage(0), 0, (0, 3), (3, 1)) + STOP).shape == (0, 3)


def test_endless_values_are_read_and_forgotten(read):
    assert len(read(PROTO2 + b")" + b"\x85" * 20_000 + STOP)) == 1  # a tuple in a tuple in a...
    itself = read(PROTO2 + b"]q\x01h\x01a" + STOP)
    assert itself[0] is itself
    doubled = b"".join(bytes([ord("q"), k, ord("h"), k]) + b"\x86" for k in range(100))
    assert len(read(PROTO2 + b"]" + doubled + STOP)) == 2  # 2^100 lists, if somebody walked them


def _network(**groups: dict):
    return persistent("Anything", module_state({}) | groups)


def test_weights_of_other_than_modules_are_refused(read):
    ones = torch.ones(2)
    shared = module_state({"weight": ones})
    twice = persistent("Layer", shared)
    cases = {
        "must be a dict by name": _network(_parameters=[1]),
        "must be one tensor or module": _network(_parameters=OrderedDict(x=3)),
        "'x' must be one": _network(_modules=OrderedDict(x=ones)),
        "occur twice": _network(_modules=OrderedDict(a=twice, b=twice)),
        "'w' must be one": _network(_parameters={"w": ones}, _buffers={"w": ones.clone()}),
        "too long": _network(_parameters={"w" * 201: ones}),
        "by name": _network(_parameters={3: ones}),
    }
    for message, network in cases.items():
        with pytest.raises(ValueError, match=message):
            read_weights(read(write_pickle(network)))


def test_a_chain_of_modules_without_end_is_refused(read):
    """The last one leads back to the first, or there are more than any network has."""
    module = new(named("torch.nn.modules.activation", "Softplus"))
    groups = b"}" + text("_parameters") + b"}s" + text("_buffers") + b"}s" + text("_modules")
    chain = module + b"q\x01" + groups + b"}" + text("a") + b"h\x01ssb"
    with pytest.raises(ValueError, match="occur twice"):
        read_weights(read(PROTO2 + chain + STOP))
    deep = module + groups + b"}sb"
    for _ in range(150):
        deep = module + groups + b"}" + text("a") + deep + b"ssb"
    with pytest.raises(ValueError, match="too long"):
        read_weights(read(PROTO2 + deep + STOP))


def test_transient_buffers_are_no_weights(read):
    state = module_state({"w_avg": torch.ones(2), "noise_const": torch.ones(3)})
    state["_non_persistent_buffers_set"] = {"noise_const"}
    assert read_weights(read(write_pickle(persistent("Layer", state), 2))).keys() == {"w_avg"}


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_numbers_of_numpy(read, protocol):
    values = [np.float64(0.1), np.float32(0.5), np.int64(-3), np.bool_(True), numpy1_scalar(2.5)]
    assert read(write_pickle(values, protocol)) == [0.1, 0.5, -3, True, 2.5]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.int64])
def test_tensors_keep_their_type_and_layout(read, dtype):
    value = torch.arange(24).reshape(2, 3, 4).to(dtype)
    for view in (value, value.permute(2, 0, 1), value[:, 1:, ::2], value[:, :, :0]):
        assert read(write_pickle(view)).equal(view)


def test_every_opcode_that_the_machine_knows_is_needed():
    """None is allowed that honest pickles do not have."""
    texts = [f"{k}" for k in range(300)]
    values = [small_network(), texts, texts[:], 0.5, b"x" * 300, ["x"], {1: 2}, 70_000]
    streams = [io.BytesIO(write_pickle(values, protocol)) for protocol in range(2, 6)]
    streams += [io.BytesIO(storage())] * 5  # which consists of five pickles
    seen = {opcode.name for stream in streams for opcode, _, _ in pickletools.genops(stream)}
    known = LITERALS | CONSTANTS.keys() | EMPTY.keys() | TUPLES.keys() | OPERATIONS.keys()
    assert known - seen == set()
