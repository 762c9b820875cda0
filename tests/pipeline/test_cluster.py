from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline.cluster import (
    ADDRESS,
    LOCAL,
    Settings,
    find_address,
    load_node_types,
    load_settings,
    tracking_uri,
)

ROOT = Path(__file__).parents[2]


def test_ray_accepts_our_launcher_file():
    from ray.autoscaler._private.util import prepare_config, validate_config

    validate_config(prepare_config(YAML(typ="safe").load(ROOT / "cluster.yaml")))


def test_the_committed_file_runs_every_stage_here_without_edits():
    settings = load_settings(ROOT)
    assert find_address(settings, {}) is None
    for stage in settings.stages:
        assert settings.workers_of(stage, is_local=True).num_workers <= 1


def test_environment_beats_the_file_and_the_file_beats_a_local_head():
    settings = Settings(address="http://file:8265")
    assert find_address(settings, {ADDRESS: "http://env:1"}).url == "http://env:1"
    assert find_address(settings, {}).url == "http://file:8265"
    assert find_address(Settings(), {}) is None


def test_only_our_own_head_counts_as_local():
    assert find_address(Settings(), {ADDRESS: "http://x", LOCAL: "1"}).is_local
    assert not find_address(Settings(), {ADDRESS: "http://x"}).is_local
    assert not find_address(Settings(address="http://x"), {LOCAL: "1"}).is_local


def test_tracking_goes_to_an_absolute_file_unless_told_otherwise(tmp_path):
    assert tracking_uri(Settings(), tmp_path, {}) == f"sqlite:///{tmp_path}/mlflow.db"
    set_in_file = Settings(tracking_uri="http://file")
    assert tracking_uri(set_in_file, tmp_path, {}) == "http://file"
    environ = {"MLFLOW_TRACKING_URI": "http://env"}
    assert tracking_uri(set_in_file, tmp_path, environ) == "http://env"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("metadata: {pipeline: {adress: x}}", "adress"),
        ("metadata: {pipeline: {stages: {a: {machines: -1}}}}", r"stages\.a\.machines"),
        ("metadata: {pipeline: {stages: {a: {gpus: maybe}}}}", "gpus"),
        ("metadata: {pipeline: {stages: {a: {gpus: 2, processes: 3}}}}", "one on each, is 3"),
        ("metadata: {}", r"metadata\.pipeline"),
        ("metadata: {", "YAML"),
    ],
)
def test_mistakes_in_the_file_are_named(tmp_path, text, words):
    (tmp_path / "cluster.yaml").write_text(text)
    with pytest.raises(ValueError, match=words):
        load_settings(tmp_path)


@pytest.mark.parametrize("is_local", [True, False])
def test_a_stage_without_a_row_is_one_process_on_one_machine(is_local):
    assert Settings().workers_of("toy", is_local).num_workers == 1


@pytest.mark.parametrize(
    ("text", "types"),
    [
        ("metadata: {}", None),
        ("available_node_types: {gpu: {node_config: {}}}", None),  # the provider knows
        (
            "available_node_types: {a: {resources: {GPU: 4}}, b: {resources: {CPU: 1}, "
            "max_workers: 0}}",
            [{"GPU": 4}],
        ),
    ],
)
def test_machines_that_may_come_are_those_of_the_file(tmp_path, text, types):
    (tmp_path / "cluster.yaml").write_text(text)
    assert load_node_types(tmp_path) == types
