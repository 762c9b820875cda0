import pytest
from optuna.trial import TrialState, create_trial

from pipeline.sweep.plan import SweepPlan
from pipeline.sweep.search import TrialSearcher, distributions_of, encode

SPACE = {
    "a.x": {"uniform": [0, 1]},
    "a.n": {"qrandint": [8, 64, 8]},
    "a.log": {"loguniform": [1e-4, 1e-2]},
    "a.kind": {"choice": [[1, 2], "v", None]},
    "a.fixed": 3,
}


def make_plan(**changes) -> SweepPlan:
    content = {"stages": ["a"], "metric": "a/loss", "num_trials": 40, "space": SPACE}
    return SweepPlan.model_validate(content | changes)


def ended(plan, values, *scores, state=TrialState.COMPLETE):
    return create_trial(
        state=state,
        value=scores[-1] if state == TrialState.COMPLETE else None,
        params=encode(plan, values),
        distributions=distributions_of(plan),
        intermediate_values=dict(enumerate(scores)),
    )


def test_a_random_search_gives_the_same_point_whenever_it_is_asked():
    plan = make_plan()
    assert TrialSearcher(plan).propose(7, []) == plan.points()[7]
    assert make_plan(num_trials=50).points()[:40] == plan.points()


def test_a_grid_gives_each_point():
    plan = make_plan(search="grid", num_trials=None, space={"a.x": {"grid": [1, 2]}, "a.y": 0})
    assert plan.total == 2
    assert [TrialSearcher(plan).propose(k, [])["a.x"] for k in range(2)] == [1, 2]


def test_a_list_gives_each_trial():
    trials = [{"a.x": 1, "a.y": [1]}, {"a.x": 1, "a.y": [2]}]
    plan = make_plan(search="list", num_trials=None, space={"a.z": 0}, trials=trials)
    assert [TrialSearcher(plan).propose(k, []) for k in range(2)] == [
        {"a.z": 0} | values for values in trials
    ]


def score(values) -> float:
    return (values["a.x"] - 0.3) ** 2


def test_optuna_proposes_valid_values_and_learns():
    plan = make_plan(search="optuna")
    scores, known = [], []
    for number in range(plan.total):
        values = TrialSearcher(plan).propose(number, known)
        assert values["a.fixed"] == 3
        assert values["a.n"] in range(8, 65, 8)
        assert values["a.kind"] in ([1, 2], "v", None)
        assert all(values[key] == plan.domains[key].snap(values[key]) for key in ("a.x", "a.log"))
        scores.append(score(values))
        known.append(ended(plan, values, scores[-1]))
    assert sum(scores[-10:]) < 0.5 * sum(scores[:10])


def test_optuna_proposes_the_same_again_after_the_same_trials():
    plan = make_plan(search="optuna")
    known = [ended(plan, values, score(values)) for values in make_plan(num_trials=12).points()]
    first = TrialSearcher(plan).propose(12, known)
    assert TrialSearcher(plan).propose(12, known) == first
    assert TrialSearcher(plan).propose(13, known) != first
    assert TrialSearcher(plan).propose(12, known[:4]) != first


@pytest.mark.parametrize("state", [TrialState.PRUNED, TrialState.FAIL, TrialState.RUNNING])
def test_optuna_takes_trials_in_any_state(state):
    plan = make_plan(search="optuna", asha={"budgets": {"a.budget": [1, 2]}})
    searcher = TrialSearcher(plan)
    known = [ended(plan, searcher.propose(0, []), 1.0, state=state)]
    known.append(ended(plan, searcher.propose(1, known), 1.0, 0.5))
    assert set(searcher.propose(2, known)) == set(plan.space)
