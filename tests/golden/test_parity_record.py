"""The judge of the golden tests must itself be able to say no."""

import pytest
import torch
from golden.arrays import Arrays, Record, parse_part, relative_error
from golden.report import BEGIN, END, parity_table, replace_between_markers

FILE = "components/fc_mapping"


@pytest.fixture
def arrays() -> Arrays:
    return Arrays(FILE, Record())


def test_agreement_is_recorded_under_the_name_of_the_array(arrays):
    arrays.agree(arrays["map.ws"].double() * (1 + 2e-6), "map.ws")
    found = arrays.record.compared[FILE, "map.ws"]
    assert found.error == pytest.approx(2e-6, rel=1e-3)
    assert arrays.record.read == {(FILE, "map.ws")}
    assert f"| {FILE} | 1 | 2.0e-06 | 1e-05 |" in parity_table(arrays.record)


@pytest.mark.parametrize("factor", [1.001, float("nan"), float("inf")])
def test_disagreement_fails_and_stays_on_record(arrays, factor):
    with pytest.raises(AssertionError, match=r"fc_mapping map\.ws: relative L2 error"):
        arrays.agree(arrays["map.ws"] * factor, "map.ws")
    with pytest.raises(AssertionError):
        arrays.agree(arrays["map.ws"] * factor, "map.ws", tolerance=1e-4)
    assert not arrays.record.compared[FILE, "map.ws"].error <= 1e-5


def test_other_shapes_fail_even_if_they_broadcast(arrays):
    with pytest.raises(AssertionError, match=r"\(4, 1, 10\)|\[4, 1, 10\]"):
        arrays.agree(arrays["map.ws"][:, :1], "map.ws")


def test_only_whole_stored_arrays_are_compared_with(arrays):
    with pytest.raises(TypeError, match="an array as stored"):
        arrays.record.agree(arrays["map.ws"][:2], arrays["map.ws"][:2])


def test_names_must_be_the_same():
    record = Record()
    record.agree_names(["a", "b"], "f", "n", {"b", "a"})
    with pytest.raises(AssertionError, match=r"f n: \['a', 'c'\]"):
        record.agree_names(["a"], "f", "n", {"c"})


def test_errors_of_zeros_are_absolute_and_sums_have_the_size_of_their_terms():
    assert relative_error(torch.tensor([0.0, 3.0]), torch.zeros(2)) == 3
    assert relative_error(torch.tensor([3.0]), torch.tensor([1.0])) == 2
    assert relative_error(torch.tensor([3.0]), torch.tensor([1.0]), size=100.0) == 0.02


def test_parts_are_slices():
    x = torch.arange(120).reshape(2, 3, 4, 5)
    assert x[parse_part(":1,,::2,1:3")].equal(x[:1, :, ::2, 1:3])


def test_the_table_replaces_the_one_between_the_markers(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n\n{END}\nafter\n")
    replace_between_markers(page, "| new \\1 |")
    replace_between_markers(page, "| new \\1 |")
    assert page.read_text() == f"before\n{BEGIN}\n| new \\1 |\n{END}\nafter\n"
    page.write_text("no markers\n")
    with pytest.raises(pytest.UsageError, match="must hold"):
        replace_between_markers(page, "x")
