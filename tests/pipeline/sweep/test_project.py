import json
import subprocess
import sys

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from pipeline.sweep.project import build_project, write_params
from pipeline.sweep.winner import write_value


@pytest.fixture
def root(tmp_path):
    made = tmp_path / "project"
    for name in ("data/heads", "data/raw", "runs/first", "runs/second", "weights", "state/first",
                 "reports/first", ".git", "mlartifacts"):  # fmt: skip
        (made / name).mkdir(parents=True)
        (made / name / "file").write_text(name)
    (made / "params.yaml").write_text("# why\nfirst:\n  a: {b: 1}\n  c: 'no'\nsecond: {}\n")
    (made / "mlflow.db").touch()
    return made


def test_a_trial_sees_inputs_and_earlier_results_but_has_its_own_outputs(root, tmp_path):
    trial = tmp_path / "trial"
    build_project(trial, root, ["second"])
    assert (trial / "data" / "heads" / "file").read_text() == "data/heads"
    assert (trial / "runs" / "first" / "file").read_text() == "runs/first"
    assert (trial / "weights" / "file").read_text() == "weights"
    for missing in ("runs/second", "state/first", "reports/first", ".git", "mlflow.db",
                    "mlartifacts"):  # fmt: skip
        assert not (trial / missing).exists()
    assert (trial / "cache").resolve() == root / "cache"


def test_building_it_again_keeps_what_the_trial_has_written(root, tmp_path):
    trial = tmp_path / "trial"
    build_project(trial, root, ["second"])
    (trial / "runs" / "second").mkdir()
    (trial / "runs" / "second" / "mine").touch()
    build_project(trial, root, ["second"])
    assert (trial / "runs" / "second" / "mine").exists()
    assert not (root / "runs" / "second" / "mine").exists()


def test_parameters_are_those_of_the_project_with_the_overrides(root, tmp_path):
    write_params(tmp_path, root, {"first.a.b": 0.5, "first.d.e": [1, 2], "second.x": None})
    assert YAML(typ="safe").load(tmp_path / "params.yaml") == {
        "first": {"a": {"b": 0.5}, "c": "no", "d": {"e": [1, 2]}},
        "second": {"x": None},
    }


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**9), 10**9),
    st.floats(1e-12, 1e12).map(lambda value: float(f"{value:.6g}")),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12),
)


@given(values=st.lists(st.one_of(VALUES, st.lists(VALUES, max_size=3)), min_size=1, max_size=4))
def test_dvc_reads_an_override_as_the_value_the_trial_had(values):
    overrides = [f"++a.b{number}={write_value(value)}" for number, value in enumerate(values)]
    parsed = OverridesParser.create().parse_overrides(overrides)
    read = [each.value() for each in parsed]
    assert repr([plain(value) for value in read]) == repr(values)


def plain(value):
    """Hydra keeps strings in a class of its own that remembers the quotes."""
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value.text if hasattr(value, "text") else value


@pytest.mark.slow
def test_dvc_writes_the_same_parameters_as_a_trial_has(root, tmp_path):
    values = {"first.a.b": 1e-05, "first.c": "1e3", "second.x": [1, "y"], "second.z.w": None,
              "second.t": True, "second.l": 123456.0, "second.s": "it's: {odd} \\ #"}  # fmt: skip
    write_params(tmp_path, root, values)
    overrides = [f"++{key}={write_value(value)}" for key, value in values.items()]
    code = (
        "import json, sys; from dvc.utils.hydra import apply_overrides; "
        "apply_overrides('params.yaml', json.loads(sys.argv[1]))"
    )
    subprocess.run([sys.executable, "-c", code, json.dumps(overrides)], cwd=root, check=True)
    load = YAML(typ="safe").load
    assert repr(load(root / "params.yaml")) == repr(load(tmp_path / "params.yaml"))
