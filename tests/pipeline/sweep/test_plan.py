from pathlib import Path

import pytest

from pipeline.cluster import Settings, Workers
from pipeline.sweep.check import check_plan
from pipeline.sweep.plan import SweepPlan, load_plan
from pipeline.sweep.resources import (
    bundle_of_trial,
    cores_at_once,
    rows_of_trial,
    threads_of_trial,
    trials_at_once,
    trials_with_room,
)

ROOT = Path(__file__).parents[3]


def make_plan(**changes) -> SweepPlan:
    content = {
        "stages": ["pretrain"],
        "metric": "pretrain/loss/G",
        "num_trials": 3,
        "space": {"pretrain.g_optimizer.lr": {"loguniform": [1e-4, 1e-2]}},
    }
    return SweepPlan.model_validate(content | changes)


def write(tmp_path, text: str) -> Path:
    path = tmp_path / "sweep.yaml"
    path.write_text(text)
    return path


START = "{stages: [pretrain], metric: pretrain/loss/G, num_trials: 3, "
LIST = "{stages: [pretrain], metric: pretrain/loss/G, search: list, trials: "


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "valid YAML"),
        (
            START + "space: {pretrain.a: 1}, sarch: grid}",
            r"^sarch is no key of sweep.yaml \(its value is 'grid'\); did you mean search\?$",
        ),
        (START + "space: {}}", "sweep.yaml: space must have at least one parameter"),
        (START + "space: {imitate.a: 1}}", "imitate.a must belong to one of stages = pretrain"),
        (START + "space: {pretrain.a: {uniform: [1, 0]}}}", r"space\.pretrain\.a\.uniform"),
        (START + "space: {pretrain.a: 1, pretrain.a.b: 1}}", "must be set in one place"),
        (START + "space: {pretrain.a: {grid: [1]}}}", "must be a choice unless"),
        (START + "search: grid, space: {pretrain.a: 1}}", "num_trials must be given, but not with"),
        (START + "space: {pretrain.a: 1}, asha: {}}", "one of budgets and nimg"),
        (
            START + "space: {pretrain.a: 1}, asha: {budgets: {pretrain.n: [2, 1]}}}",
            r"pretrain\.n must rise, is \[2, 1\]",
        ),
        (
            START + "space: {pretrain.n: 1}, asha: {budgets: {pretrain.n: [1, 2]}}}",
            "pretrain.n must be set in one place",
        ),
        (
            START + "search: list, space: {pretrain.a: 1}}",
            "trials must be given with `search: list`",
        ),
        (START + "trials: [{pretrain.a: 1}]}", "trials must be given with `search: list`"),
        (START + "search: list, trials: [{pretrain.a: 1}]}", "nor with `search: list`"),
        (START + "}", "space must have at least one parameter"),
        (
            LIST + "[{pretrain.a: 1}, {pretrain.b: 1}]}",
            "trial 1 and trial 0 differ in pretrain.a, pr",
        ),
        (LIST + "[{imitate.a: 1}]}", "imitate.a must belong to one of stages"),
        (
            LIST + "[{pretrain.a: 1}], space: {pretrain.a: 1}}",
            "pretrain.a must be set in one place",
        ),
        (LIST + "[{pretrain.a: 1}], labels: [x, y]}", "labels must be one per trial of trials = 1"),
        (
            LIST + "[{pretrain.a: 1}], space: {pretrain.b: {choice: [1, 2]}}}",
            "a value that stays with `search: list`, is .*; write it to trials",
        ),
        ("{stages: [a], metric: b/x, num_trials: 1, space: {a.x: 1}}", "metric must belong to"),
        ("{stages: [a], metric: a/x, space: {a.x: 1}}", "num_trials must be given"),
    ],
)
def test_mistakes_in_the_file_are_named(tmp_path, text, words):
    with pytest.raises(ValueError, match=words):
        load_plan(write(tmp_path, text))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"there is no sweep\.yaml"):
        load_plan(tmp_path / "sweep.yaml")


def test_numbers_keep_their_kind(tmp_path):
    text = START + "space: {pretrain.a: 1e-3}, asha: {budgets: {pretrain.n: [1, 2.5]}}}"
    plan = load_plan(write(tmp_path, text))
    assert plan.points()[0] == {"pretrain.a": 0.001}
    assert [type(each["pretrain.n"]) for each in plan.budgets] == [int, float]
    assert SweepPlan.model_validate_json(plan.model_dump_json()) == plan


def test_a_longer_sweep_is_the_same_sweep():
    asha = {"budgets": {"pretrain.loop.total_kimg": [1, 2]}}
    longer = {"budgets": {"pretrain.loop.total_kimg": [1, 2, 4]}}
    plan = make_plan(asha=asha)
    for same in ({"num_trials": 9}, {"minutes": 3}, {"concurrent": 2}, {"asha": longer}):
        assert make_plan(**({"asha": asha} | same)).content_hash() == plan.content_hash()
    streaming = {"nimg": [1000]}
    for other in ({"seed": 1}, {"search": "optuna"}, {"asha": None}, {"asha": streaming}):
        assert make_plan(**({"asha": asha} | other)).content_hash() != plan.content_hash()


LISTED = {"search": "list", "num_trials": None, "space": {"pretrain.loop.seed": 3}}
TRIALS = [{"pretrain.g_optimizer.lr": lr, "pretrain.loop.batch": 8} for lr in (0.1, 0.2, 0.1)]


def test_a_list_is_tried_as_it_is():
    plan = make_plan(**LISTED, trials=TRIALS)
    assert plan.points() == [{"pretrain.loop.seed": 3} | values for values in TRIALS]
    assert plan.total == 3
    assert plan.searched == ["pretrain.g_optimizer.lr"]
    assert plan.domains["pretrain.g_optimizer.lr"].edges() == (0.1, 0.2)
    assert SweepPlan.model_validate_json(plan.model_dump_json()) == plan
    assert make_plan(**LISTED, trials=TRIALS[:1]).content_hash() == plan.content_hash()


def test_rungs():
    assert make_plan().num_rungs == 1
    assert make_plan(asha={"nimg": [10, 20]}).num_rungs == 3
    rising = make_plan(asha={"budgets": {"pretrain.loop.total_kimg": [1, 2]}})
    assert rising.num_rungs == 2
    assert rising.budgets == [{"pretrain.loop.total_kimg": 1}, {"pretrain.loop.total_kimg": 2}]


def complaints(plan: SweepPlan, root: Path) -> str:
    with pytest.raises(ValueError, match=r"\w") as caught:
        check_plan(plan, root)
    return str(caught.value)


@pytest.mark.parametrize(
    ("space", "words"),
    [
        (
            {"pretrain.g_optimiser.lr": {"uniform": [1, 2]}},
            "pretrain.g_optimiser is no parameter (its value is {'lr': 1.0}); did you mean g_opt",
        ),
        (
            {"pretrain.g_optimizer.lr": {"uniform": [0, 1]}},
            "pretrain.g_optimizer.lr must be greater than 0, is 0.0; change it in sweep.yaml",
        ),
        ({"pretrain.loop.batch": {"choice": [8, "x"]}}, "pretrain.loop.batch must be a valid inte"),
        ({"pretrain.loop.batch": {"choice": [8, 9]}}, "batch must be a multiple of microbatch"),
        ({"pretrain.generator.image_resolution": 32}, "must be the dataset's = 16, is 32"),
    ],
)
def test_values_are_tried_before_anything_starts(prepared_project, space, words):
    message = complaints(make_plan(space=space), prepared_project)
    assert words in message
    assert "\n" not in message


def test_listed_trials_are_tried_as_a_whole(prepared_project):
    key = "pretrain.loop.microbatch"
    fits = [{key: 6, "pretrain.loop.batch": 12, "pretrain.discriminator.mbstd_group_size": 3}]
    list_of = {"search": "list", "num_trials": None, "space": {}}
    check_plan(make_plan(**list_of, trials=fits), prepared_project)
    message = complaints(make_plan(**list_of, trials=[*fits, fits[0] | {key: 4}]), prepared_project)
    assert "pretrain.loop.microbatch" in message


def test_budgets_are_tried(prepared_project):
    asha = {"budgets": {"pretrain.loop.totl_kimg": [1, 2]}}
    message = complaints(make_plan(asha=asha), prepared_project)
    assert message.startswith("pretrain.loop.totl_kimg is no parameter (its value is 1)")


def test_an_unknown_stage_is_named(prepared_project):
    plan = make_plan(stages=["pretrain", "polish"])
    assert complaints(plan, prepared_project).startswith("there is no stage polish")


def test_a_missing_input_of_the_first_stage_is_told_with_the_projects_path(prepared_project):
    plan = make_plan(stages=["imitate"], metric="imitate/loss/G", space={"imitate.patch_scale": 1})
    assert str(prepared_project / "runs" / "pretrain") in complaints(plan, prepared_project)


def test_the_committed_sweep_names_real_parameters(prepared_project):
    check_plan(load_plan(ROOT / "sweep.yaml"), prepared_project)


ROWS = {"stages": {"a": Workers(), "b": Workers()}, "local": {"a": Workers(), "b": Workers()}}


def plan_of_two(**changes) -> SweepPlan:
    return make_plan(stages=["a", "b"], metric="b/x", space={"a.x": 1}, **changes)


def test_trials_at_a_time_share_the_cores_of_this_machine(monkeypatch):
    monkeypatch.setattr("pipeline.sweep.resources.cores", lambda: 8)
    for concurrent, each in ((None, 8), (2, 4), (3, 2), (16, 1)):
        plan = plan_of_two(concurrent=concurrent)
        rows = rows_of_trial(plan, Settings(**ROWS), is_local=True)
        assert threads_of_trial(rows) == each
        assert cores_at_once(plan, rows) == each * (concurrent or 1)
        assert bundle_of_trial(rows, {"CPU": 8}, is_local=True) == {"CPU": each}
        assert trials_at_once(plan, rows, {"CPU": 8}, is_local=True) == (concurrent or 1)


def test_rows_with_resources_limit_the_trials_at_a_time(monkeypatch):
    monkeypatch.setattr("pipeline.sweep.resources.cores", lambda: 8)
    row = Workers(cpus=2)
    plan = plan_of_two()
    rows = rows_of_trial(plan, Settings(local={"a": row, "b": row}), is_local=True)
    assert trials_at_once(plan, rows, {"CPU": 8}, is_local=True) == 4
    assert trials_at_once(plan, rows, {"CPU": 8}, is_local=False) is None


def test_a_trial_gets_enough_for_its_largest_stage():
    rows = {
        "a": Workers(machines=0),
        "b": Workers(gpus=1, cpus=4),
    }
    assert bundle_of_trial(rows, {"CPU": 64, "GPU": 8}, is_local=False) == {"CPU": 4, "GPU": 1}


def test_a_trial_that_watches_over_workers_takes_no_core():
    rows = {"a": Workers(gpus=8), "b": Workers()}
    assert "CPU" not in bundle_of_trial(rows, {"CPU": 64, "GPU": 8}, is_local=False)


def test_on_a_cluster_as_many_trials_run_as_there_is_room_for():
    machines = [{"CPU": 8.0, "GPU": 3.0}, {"CPU": 8.0, "GPU": 5.0}, {"CPU": 64.0}]
    one = {"a": Workers(gpus=1, cpus=2), "b": Workers(machines=0)}
    assert trials_with_room(one, machines) == 3 + 4  # the second has cores for four
    four = {"a": Workers(gpus=4), "b": Workers()}
    assert trials_with_room(four, machines) == 2  # on several machines
    assert trials_with_room({"a": Workers()}, machines) == 80
    assert trials_with_room({"a": Workers(gpus=16)}, machines) == 0
