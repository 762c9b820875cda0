from pathlib import Path

import pytest
from ruamel.yaml import YAML

from experiments.ablation.command import main
from experiments.ablation.design import Design, Size, load_design, load_size, size_names
from experiments.ablation.quantities import find_quantity
from experiments.ablation.trials import STAGES, Trial, build_plan, list_trials
from pipeline.params import load_params
from pipeline.sweep.project import write_params


def write_project(root: Path, size: Size) -> Path:
    YAML().dump(size.params, root / "params.yaml")
    return root


def trials_of(name: str, root: Path, num_seeds: int = 1) -> list[Trial]:
    size = load_size(name)
    return list_trials(load_design(), size, num_seeds, write_project(root, size))


@pytest.mark.parametrize("name", size_names())
def test_every_row_of_every_size_is_valid_parameters(tmp_path, name):
    from importlib import import_module

    for trial in trials_of(name, tmp_path):
        folder = tmp_path / trial.row
        folder.mkdir()
        write_params(folder, tmp_path, trial.values)
        for stage in ("prepare", *STAGES):
            load_params(stage, import_module(f"stages.{stage}").CONFIG, folder)


@pytest.mark.parametrize("name", size_names())
def test_all_rows_see_as_many_images(tmp_path, name):
    budgets = {
        trial.row: trial.values["pretrain.loop.total_kimg"]
        + trial.values["imitate.loop.total_kimg"]
        for trial in trials_of(name, tmp_path)
    }
    pretrain = load_size(name).params["pretrain"]["loop"]["total_kimg"]
    assert budgets.pop("stage1") == pretrain
    assert set(budgets.values()) == {budgets["full"]}


@pytest.mark.parametrize("name", size_names())
def test_direct_training_starts_as_stage_1_does(tmp_path, name):
    scratch = next(each for each in trials_of(name, tmp_path) if each.row == "scratch").values
    pretrain = load_size(name).params["pretrain"]
    for group in ("blur", "swapping", "g_optimizer", "d_optimizer"):
        for field, value in pretrain.get(group, {}).items():
            assert scratch[f"imitate.{group}.{field}"] == value


def test_claims_are_about_known_quantities():
    for claim in load_design().claims:
        for metric in claim.metrics:
            assert find_quantity(metric).metric == metric


def test_more_seeds_go_on_where_fewer_ended(tmp_path):
    one, three = (trials_of("ci", tmp_path, num_seeds) for num_seeds in (1, 3))
    assert three[: len(one)] == one
    assert [trial.seed for trial in three] == [0] * 5 + [1] * 5 + [2] * 5
    plan, longer = build_plan(one, 2), build_plan(three, None)
    assert plan.content_hash() == longer.content_hash()
    assert plan.points()[0]["imitate.loop.seed"] == 0
    assert longer.labels is not None
    assert longer.labels[-1] == "scratch, seed 2"


def test_rows_differ_in_what_they_name_only(tmp_path):
    full, stage1 = trials_of("ci", tmp_path)[:2]
    changed = {key for key, value in full.values.items() if stage1.values[key] != value}
    assert changed == {"imitate.loop.total_kimg"}


def test_a_parameter_that_does_not_exist_is_named(tmp_path):
    design = Design.model_validate(
        {"rows": {"a": {"title": "", "about": "", "overrides": {"pretrain.loop.sead": 1}}}}
    )
    size = load_size("ci").model_copy(update={"rows": {}})
    with pytest.raises(ValueError, match=r"pretrain\.loop\.sead in rows\.yaml .* is no parameter"):
        list_trials(design, size, 1, write_project(tmp_path, size))


def test_a_row_of_a_size_that_does_not_exist_is_named(tmp_path):
    size = load_size("ci").model_copy(update={"rows": {"scrach": {}}})
    with pytest.raises(ValueError, match="scrach is none"):
        list_trials(load_design(), size, 1, write_project(tmp_path, size))


@pytest.mark.parametrize("side", ["scratch/2d", "nothing/3d"])
def test_a_claim_about_what_is_not_taught_is_refused(side):
    content = load_design().model_dump()
    claim = {"says": "", "better": "full/3d", "worse": side, "metrics": ["fd_random_conv"]}
    with pytest.raises(ValueError, match=f"{side} is none"):
        Design.model_validate(content | {"claims": [claim]})


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["--size", "huge"], "--size must be one of ci, cpu, gpu, is huge"),
     (["--seeds", "0"], "--seeds must be at least 1, is 0")],
)  # fmt: skip
def test_mistakes_on_the_command_line_are_named(arguments, words, capsys):
    assert main(arguments) == 2
    assert capsys.readouterr().err.startswith(words)
