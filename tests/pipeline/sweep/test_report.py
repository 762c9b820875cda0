import dataclasses
import json
import math
import random
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from pipeline.cluster import Settings, Workers
from pipeline.sweep.charts import range_of_scores
from pipeline.sweep.console import SweepConsole, ranking, short_names
from pipeline.sweep.dry_run import describe_sweep
from pipeline.sweep.event_log import EventLog, EventLogAddress
from pipeline.sweep.importance import NOISE, estimate_importance
from pipeline.sweep.mistakes import is_of_one_trial
from pipeline.sweep.mlflow_writer import to_markdown
from pipeline.sweep.plan import SweepPlan
from pipeline.sweep.report import tabulate, write_report
from pipeline.sweep.sweep_store import SweepTrial
from pipeline.sweep.winner import build_winner

SETTINGS = Settings(local={"a": Workers(), "b": Workers()})


def make_plan(**changes) -> SweepPlan:
    content = {
        "stages": ["a", "b"],
        "metric": "b/loss",
        "num_trials": 40,
        "space": {
            "a.strong": {"loguniform": [1e-4, 1e-2]},
            "a.weak": {"uniform": [0, 1]},
            "a.kind": {"choice": ["u", "v", "w"]},
            "b.fixed": "x y",
        },
    }
    return SweepPlan.model_validate(content | changes)


def make_trial(
    plan: SweepPlan, number: int, *scores: float, outcome="finished", values=None
) -> SweepTrial:
    values = values or plan.points()[number]
    return SweepTrial(number, Path("none"), plan, values, dict(enumerate(scores)), outcome)


def trials_where_one_parameter_matters(plan: SweepPlan) -> list[SweepTrial]:
    rng = random.Random(0)
    trials = []
    for number, point in enumerate(plan.points()):
        score = (math.log10(point["a.strong"]) + 3) ** 3 + 0.02 * rng.random()
        trials.append(make_trial(plan, number, score))
    return trials


def test_the_parameter_that_matters_comes_first():
    plan = make_plan()
    table = estimate_importance(plan, trials_where_one_parameter_matters(plan))
    assert table["parameter"].iloc[0] == "a.strong"
    assert table["importance"].iloc[0] > 0.7
    assert table["importance"].sum() == pytest.approx(1)
    assert (
        table["rank_correlation"].iloc[0] < -0.95
    )  # small is good, and small it is at the low end
    noise = table.set_index("parameter").loc[NOISE, "importance"]
    assert table["importance"].iloc[0] > 5 * noise
    kind = table.set_index("parameter").loc["a.kind"]
    assert math.isnan(kind["rank_correlation"])
    assert set(table["num_trials"]) == {40}


def test_a_choice_that_matters_is_found():
    plan = make_plan()
    rng = random.Random(0)
    trials = [
        make_trial(plan, number, (point["a.kind"] == "v") + 0.01 * rng.random())
        for number, point in enumerate(plan.points())
    ]
    assert estimate_importance(plan, trials)["parameter"].iloc[0] == "a.kind"


def test_where_nothing_matters_random_numbers_matter_as_much():
    plan = make_plan()
    rng = random.Random(0)
    trials = [make_trial(plan, number, rng.random()) for number in range(40)]
    table = estimate_importance(plan, trials).set_index("parameter")["importance"]
    assert table.max() < 4 * table[NOISE]


def test_few_trials_say_nothing():
    plan = make_plan()
    assert estimate_importance(plan, trials_where_one_parameter_matters(plan)[:5]).empty


RISING = {"asha": {"budgets": {"a.n": [1, 2]}}}


@pytest.mark.parametrize("mode", ["min", "max"])
def test_who_came_further_comes_first(mode):
    plan = make_plan(mode=mode, **RISING)
    scores = [(5.0, 7.0), (0.0,), (9.0,), (5.0, 6.0), (), (math.nan,), (1.0, math.nan)]
    trials = [make_trial(plan, number, *each) for number, each in enumerate(scores)]
    order = [trial.number for trial in ranking(plan, trials)]
    assert order == ([3, 0, 1, 2] if mode == "min" else [0, 3, 2, 1])


def test_the_winner_says_how_to_run_it_again():
    plan = make_plan(**RISING)
    trial = make_trial(plan, 0, 3.0, 2.0)
    winner = build_winner(plan, trial, None, SETTINGS)
    strong, weak = trial.values["a.strong"], trial.values["a.weak"]
    assert winner.overrides == [
        f"++a.strong={strong}", f"++a.weak={weak}", f"++a.kind='{trial.values['a.kind']}'",
        "++b.fixed='x y'", "++a.n=2",
    ]  # fmt: skip
    assert winner.command.startswith(f"dvc exp run -S ++a.strong={strong} -S ++a.weak={weak} ")
    assert winner.command.endswith("""-S '++b.fixed='"'"'x y'"'"'' -S ++a.n=2 b""")
    assert (winner.score, winner.is_final) == (2.0, True)


def test_a_winner_that_was_stopped_has_the_budget_it_had():
    plan = make_plan(**RISING)
    winner = build_winner(plan, make_trial(plan, 0, 3.0, outcome="stopped"), None, SETTINGS)
    assert winner.overrides[-1] == "++a.n=1"
    assert not winner.is_final


def test_other_threads_than_usual_are_part_of_the_command(monkeypatch):
    monkeypatch.setattr("pipeline.sweep.winner.cores", lambda: 4)
    plan = make_plan()
    trial = make_trial(plan, 0, 1.0)
    assert build_winner(plan, trial, 4, SETTINGS).environment == {}
    shared = build_winner(plan, trial, 2, SETTINGS)
    assert shared.environment == {"OMP_NUM_THREADS": "2"}
    assert shared.command.startswith("OMP_NUM_THREADS=2 dvc exp run ")


def test_the_table_has_a_row_per_trial_and_the_best_first():
    plan = make_plan(**RISING)
    trials = [make_trial(plan, 0, 2.0, outcome="stopped"), make_trial(plan, 1, 9.0, 8.0),
              make_trial(plan, 2, outcome="failed")]  # fmt: skip
    table = tabulate(plan, trials)
    assert table["trial"].tolist() == [1, 0, 2]
    assert table["outcome"].tolist() == ["finished", "stopped", "failed"]
    assert table["rung1"].tolist()[:2] == [9.0, 2.0]
    assert table["a.strong"].iloc[0] == plan.points()[1]["a.strong"]


def test_all_files_are_written_and_old_ones_go(tmp_path):
    plan = make_plan()
    folder = tmp_path / "sweep"
    folder.mkdir()
    (folder / "parallel.png").touch()  # of an earlier version
    trials = trials_where_one_parameter_matters(plan)
    trials = [dataclasses.replace(trial, folder=tmp_path) for trial in trials]
    EventLogAddress(str(tmp_path), "b", 0).open_tracker().log_image(
        "grid", Image.new("RGB", (3, 2)), 1
    )
    winner = write_report(folder, plan, trials, None, SETTINGS)
    assert winner
    names = {path.name for path in folder.iterdir()}
    assert names == {"best.png", "importance.csv", "importance.svg", "parallel.svg", "plan.json",
                     "trials.csv", "winner.json"}  # fmt: skip
    assert json.loads((folder / "winner.json").read_text())["trial"] == winner.trial
    table = pd.read_csv(folder / "trials.csv")
    assert table["b/loss"].iloc[0] == winner.score == table["b/loss"].min()
    assert Image.open(folder / "best.png").size == (3, 2)
    charts = [(folder / name).read_text() for name in ("parallel.svg", "importance.svg")]
    assert all("a.strong" in chart for chart in charts)
    write_report(folder, plan, trials, None, SETTINGS)
    again = [(folder / name).read_text() for name in ("parallel.svg", "importance.svg")]
    assert again == charts


def test_a_sweep_without_any_metric_has_no_winner(tmp_path):
    plan = make_plan()
    trials = [make_trial(plan, 0, outcome="failed")]
    assert write_report(tmp_path / "sweep", plan, trials, None, SETTINGS) is None
    assert (tmp_path / "sweep" / "trials.csv").exists()


def test_the_console_says_how_trials_ended(capsys):
    plan = make_plan(space={"a.x": {"uniform": [0, 1]}}, **RISING)
    board = SweepConsole(plan)
    board.show_end(make_trial(plan, 3, 2.0, 1.5, values={"a.x": 0.25}))
    board.show_end(make_trial(plan, 4, 2.0, outcome="stopped", values={"a.x": 0.5}))
    failed = make_trial(plan, 5, outcome="failed", values={"a.x": 1.0})
    failed = dataclasses.replace(failed, failure="no disk")
    board.show_end(failed)
    assert capsys.readouterr().out.splitlines() == [
        "trial   3  finished: b/loss 1.5  a.x=0.25",
        "trial   4  stopped at rung 1 of 2: b/loss 2  a.x=0.5",
        "trial   5  failed: no disk  a.x=1",
    ]
    board.show_table([make_trial(plan, 3, 2.0, 1.5, values={"a.x": 0.25}), failed])
    assert capsys.readouterr().out.splitlines() == [
        "trial  rung     state  b/loss   a.x",
        "    3   2/2  finished     1.5  0.25",
        "",
    ]


def test_the_table_of_a_running_sweep_shows_what_runs(capsys):
    plan = make_plan(space={"a.x": {"uniform": [0, 1]}}, **RISING)
    good = [make_trial(plan, k, 2.0, k, values={"a.x": k / 100}) for k in range(12)]
    waiting, working = (
        make_trial(plan, k, *scores, outcome="unfinished", values={"a.x": 1.0})
        for k, scores in [(12, ()), (13, (3.0,))]
    )
    working.history.stage, working.history.nimg = "b", 1500
    trials = [*good, waiting, working]
    SweepConsole(plan).show_table(trials, is_over=False)
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[1:-1]]
    assert [int(row[0]) for row in rows] == [*range(10), 12, 13]
    assert rows[10] == ["12", "0/2", "starts", "-", "1"]
    assert rows[11] == ["13", "1/2", "b", "1.5", "kimg", "3", "1"]
    SweepConsole(plan).show_table([waiting, working])
    assert capsys.readouterr().out.splitlines()[1].split()[:4] == ["13", "1/2", "cut", "off"]


def test_names_are_short_where_they_stay_apart():
    keys = ["a.g.lr", "b.g.lr", "a.loop.batch", "a.x"]
    assert short_names(keys) == ["a.g.lr", "b.g.lr", "loop.batch", "a.x"]


def test_a_trial_that_went_astray_does_not_squeeze_the_others():
    good = [1.0, 1.1, 1.2, 1.3, 1.4]
    assert range_of_scores([*good, 1e6], "min") == (1.0, 1.4)
    assert range_of_scores([*good, -1e6], "max") == (1.0, 1.4)
    assert range_of_scores([*good, -1e6], "min") == (-1e6, 1.4)  # the best is always in sight
    assert range_of_scores([2.0], "min") == (2.0, 2.0)


def test_the_table_in_markdown_has_a_row_per_trial():
    rows = [["trial", "a|b"], ["0", "x"], ["1", "y"]]
    lines = to_markdown(rows).splitlines()
    assert lines == ["| trial | a\\|b |", "| --: | --: |", "| 0 | x |", "| 1 | y |"]


def test_a_dry_run_shows_trials_rungs_and_cost(tmp_path):
    plan = make_plan(
        space={"a.x": {"uniform": [0, 1]}},
        num_trials=8,
        asha={"budgets": {"a.kimg": [1, 3]}, "reduction_factor": 2},
    )
    text = describe_sweep(plan, [], 2)
    assert "rung 1: a.kimg = 1, 8 trials\nrung 2: a.kimg = 3, about 4 trials" in text
    assert "in all about 16 of a.kimg; without early stopping 24" in text  # 8 x 1 + 4 x 2; 8 x 3
    assert len([line for line in text.splitlines() if " new " in line]) == 8
    assert "no trial of this sweep is over yet" in text
    log = EventLog(tmp_path)
    log.append("start", stage="a", rung=0)
    log.append("done", stage="a", rung=0)
    over = dataclasses.replace(make_trial(plan, 0, 2.0, 1.0), folder=tmp_path)
    over.history.seconds = 120.0
    text = describe_sweep(plan, [over, make_trial(plan, 1, outcome="unfinished")], 2)
    assert "cost: 1 of the trials are over, after 2 minutes each on average" in text
    assert "the other 7, 2 at a time, take 7 minutes" in text
    assert len([line for line in text.splitlines() if " new " in line]) == 6


def test_a_dry_run_of_optuna_does_not_invent_values():
    plan = make_plan(search="optuna", num_trials=8)
    text = describe_sweep(plan, [make_trial(plan, 0, 1.0, values=make_plan().points()[0])], None)
    assert "and 7 new ones, whose values Optuna chooses" in text


@pytest.mark.parametrize(
    ("message", "is_of_one"),
    [
        ("metric must be one that toy reports, toy/los is not; it reports loss", False),
        ("there is no runs/pretrain/snapshot; run pretrain first", False),
        ("toy.loop.batch must be a multiple of 4, is 6", True),
        ("toy.loop must fit, is odd", True),
        ("toy.loop.batch.size must be 3", True),
        ("batch must be a multiple of microbatch", True),
        ("toy.loop.batches must be 3", False),
    ],
)
def test_a_mistake_of_one_trial_names_what_is_searched(message, is_of_one):
    assert is_of_one_trial(message, ["toy.loop.batch"]) == is_of_one
