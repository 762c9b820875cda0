"""Nothing that the reference computed goes unnoticed: compared, or skipped for a stated reason."""

import json
import os
from fnmatch import fnmatchcase

import numpy as np
import pytest
from golden.arrays import COMMITTED, FULL_SET, PART, golden_folder
from golden.roles import INPUTS, SKIPPED, is_input, reason_to_skip
from golden.select_subset import CHECKSUMS, NAMES, NETWORKS, is_committed, kept_part
from golden.weights import checksum, reference_state

pytestmark = pytest.mark.golden

ALL = {
    file: tuple(names)  # of the full set
    for file, names in json.loads(NAMES.read_text()).items()
}
PAIRS = [(file, name) for file, names in ALL.items() for name in names]


def test_every_array_is_compared_or_skipped_with_a_reason(whole_record):
    """In the subset: every array that it holds; in the full set: all of them."""
    full = FULL_SET in os.environ
    forgotten, contradictory = [], []
    for file, name in PAIRS:
        compared = (file, name) in whole_record.compared
        if reason_to_skip(file, name) is not None:
            contradictory += [(file, name)] if compared else []
        elif full or is_committed(file, name):
            read = is_input(file, name) and (file, name) in whole_record.read
            forgotten += [] if compared or read else [(file, name)]
    assert not forgotten
    assert not contradictory
    assert whole_record.compared.keys() <= set(PAIRS)
    assert len(whole_record.compared) > (1700 if full else 750)


@pytest.mark.parametrize("table", [INPUTS, SKIPPED], ids=["inputs", "skipped"])
def test_every_line_of_the_tables_concerns_something(table):
    for file_pattern, patterns in table.items():
        names = [name for file, name in PAIRS if fnmatchcase(file, file_pattern)]
        for pattern in patterns:
            assert any(fnmatchcase(name, pattern) for name in names), (file_pattern, pattern)


def test_no_result_counts_as_an_input():
    results = ("grad.", ".y", "out0", "out1", "report.", "backward", "det_", "gen0", "logits")
    inputs = [name for file, name in PAIRS if is_input(file, name)]
    assert not [name for name in inputs if any(word in name for word in results)]


@pytest.mark.skipif(FULL_SET in os.environ, reason="judges the committed subset")
def test_the_subset_is_what_its_script_selects():
    for file, names in ALL.items():
        wanted = {(name, kept_part(file, name)) for name in names if is_committed(file, name)}
        found = set()
        if wanted:
            with np.load(COMMITTED / f"{file}.npz") as arrays:
                found = {tuple(key.partition(PART)[::2]) for key in arrays.files}
        assert found == wanted, file


def test_the_full_set_is_the_one_that_was_listed():
    if FULL_SET not in os.environ:
        pytest.skip("judges the full set")
    found = {}
    for path in sorted(golden_folder().glob("*/*.npz")):
        with np.load(path) as arrays:
            found[f"{path.parent.name}/{path.stem}"] = tuple(arrays.files)
    assert found == ALL


@pytest.mark.parametrize("net", NETWORKS)
def test_weights_are_those_that_the_reference_used(net):
    """Checksums of its files; the weights themselves are drawn again."""
    sums = json.loads(CHECKSUMS.read_text())
    networks = [key.partition("/")[2] for key in sums if key.startswith(net)]
    assert len(networks) >= 2
    for network in networks:
        assert checksum(reference_state(net, network)) == sums[f"{net}/{network}"]


def test_small_enough_to_live_here():
    stored = sum(path.stat().st_size for path in COMMITTED.rglob("*") if path.is_file())
    assert stored < 12e6
