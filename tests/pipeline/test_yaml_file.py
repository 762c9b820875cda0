from typing import Literal

import pytest
from pydantic import Field, ValidationError, model_validator

from mimic3d.config import Config
from pipeline.yaml_file import explain, load_yaml, one_line


class Row(Config):
    size: int = Field(1, gt=0)
    """Pixels of an edge."""
    kind: Literal["a", "b"] = "a"

    @model_validator(mode="after")
    def _no_large_b(self) -> "Row":
        if self.kind == "b" and self.size > 9:
            raise ValueError("size must be at most 9 for b")
        return self


class File(Config):
    name: str
    rows: dict[str, Row] = Field(default_factory=dict)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({}, "top.name must be given, it has no default; add it to f.yaml"),
        ({"name": "x", "nam": 1}, "top.nam is no key (its value is 1); did you mean name?"),
        ({"name": 1}, "top.name must be a valid string, is 1; change it in f.yaml"),
        (
            {"name": "x", "rows": {"mine": {"size": 0}}},
            "top.rows.mine.size must be greater than 0, is 0; change it in f.yaml (Pixels of an "
            "edge.)",
        ),
        (
            {"name": "x", "rows": {"mine": {"size": 10, "kind": "b"}}},
            "top.rows.mine.size must be at most 9 for b",
        ),
    ],
)
def test_a_mistake_is_one_sentence_with_key_rule_value_and_way_out(content, sentence):
    with pytest.raises(ValidationError) as caught:
        File.model_validate(content)
    assert str(explain(caught.value, File, "f.yaml", ["top"], "key")) == sentence


def test_each_mistake_has_its_line():
    with pytest.raises(ValidationError) as caught:
        File.model_validate({"nam": 1, "rows": {"mine": {"size": 0}}})
    assert len(str(explain(caught.value, File, "f.yaml")).splitlines()) == 3


def test_files_that_are_missing_or_broken_are_named_with_their_line(tmp_path):
    with pytest.raises(ValueError, match=r"^there is no f.yaml in .*; make one$"):
        load_yaml(tmp_path / "f.yaml", "make one")
    (tmp_path / "f.yaml").write_text("a: 1\nb: [\n")
    with pytest.raises(ValueError, match=r"^f.yaml line \d must be valid YAML: "):
        load_yaml(tmp_path / "f.yaml", "make one")


def test_messages_of_libraries_become_one_line():
    assert one_line("a\n  b\n\nc") == "a b c"
    assert len(one_line("x" * 1000)) == 300
