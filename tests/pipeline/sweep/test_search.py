import sys

import pytest

from pipeline.sweep.history import History
from pipeline.sweep.plan import Plan
from pipeline.sweep.search import build_search, require_optuna

SPACE = {
    "a.x": {"uniform": [0, 1]},
    "a.n": {"qrandint": [8, 64, 8]},
    "a.log": {"loguniform": [1e-4, 1e-2]},
    "a.kind": {"choice": [[1, 2], "v", None]},
    "a.fixed": 3,
}


def make_plan(**changes) -> Plan:
    content = {"stages": ["a"], "metric": "a/loss", "num_trials": 40, "space": SPACE}
    return Plan.model_validate(content | changes)


def test_a_random_search_gives_the_same_point_whenever_it_is_asked():
    plan = make_plan()
    assert build_search(plan, 0).propose(7) == build_search(plan, 5).propose(7) == plan.points()[7]


def test_a_grid_gives_each_point():
    plan = make_plan(search="grid", num_trials=None, space={"a.x": {"grid": [1, 2]}, "a.y": 0})
    assert plan.total == 2
    assert [build_search(plan, 0).propose(k)["a.x"] for k in range(2)] == [1, 2]


def test_a_list_gives_each_trial():
    trials = [{"a.x": 1, "a.y": [1]}, {"a.x": 1, "a.y": [2]}]
    plan = make_plan(search="list", num_trials=None, space={"a.z": 0}, trials=trials)
    assert [build_search(plan, 0).propose(k) for k in range(2)] == [
        {"a.z": 0} | values for values in trials
    ]


def test_optuna_missing_is_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ValueError, match=r"needs the package optuna.*pip install .*\[sweep\]"):
        require_optuna()


def score(values) -> float:
    return (values["a.x"] - 0.3) ** 2


def test_optuna_proposes_valid_values_and_learns():
    pytest.importorskip("optuna")
    plan = make_plan(search="optuna")
    search = build_search(plan, 0)
    scores = []
    for number in range(plan.total):
        values = search.propose(number)
        assert values["a.fixed"] == 3
        assert values["a.n"] in range(8, 65, 8)
        assert values["a.kind"] in ([1, 2], "v", None)
        assert all(values[key] == plan.domains[key].snap(values[key]) for key in ("a.x", "a.log"))
        scores.append(score(values))
        search.learn(number, values, History(scores={0: scores[-1]}))
    assert sum(scores[-10:]) < 0.5 * sum(scores[:10])


def test_optuna_goes_on_with_what_earlier_trials_found():
    pytest.importorskip("optuna")
    plan = make_plan(search="optuna", space={"a.x": {"uniform": [0, 1]}})
    first = [build_search(plan, 0).propose(0)["a.x"] for _ in range(2)]
    assert first[0] == first[1]
    search = build_search(plan, 30)
    for number, values in enumerate(make_plan(num_trials=30).points()):
        search.learn(number, {"a.x": values["a.x"]}, History(scores={0: score(values)}))
    proposed = [search.propose(30 + number)["a.x"] for number in range(5)]
    assert first[0] not in proposed
    assert sum(abs(value - 0.3) for value in proposed) / 5 < 0.15


def test_optuna_takes_stopped_and_failed_trials():
    pytest.importorskip("optuna")
    plan = make_plan(search="optuna", asha={"budgets": {"a.budget": [1, 2]}})
    search = build_search(plan, 0)
    values = search.propose(0)
    search.learn(0, values, History(scores={0: 1.0}))
    search.learn(1, values, History())
    search.learn(2, values, History(scores={0: 1.0, 1: 0.5}))
    assert set(search.propose(3)) == set(plan.space)
