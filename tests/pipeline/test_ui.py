import json

import pytest

from pipeline.stage import columns
from pipeline.tracking.mlflow_runs import connect, find_experiment, open_run
from pipeline.ui import TAG, VIEW, write_view
from stages.headlines import HEADLINES


@pytest.mark.slow
def test_the_first_page_is_the_table_of_trainings_with_headlines(tmp_path, quiet_environ):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    assert write_view(uri, []) == "#/experiments?workflowType=machine_learning"
    open_run(uri, tmp_path / "artifacts", "toy", "repro", "key", {})
    client = connect(uri)
    experiment = find_experiment(client)
    client.rename_experiment(experiment, "faces")
    page = write_view(uri, ["toy/loss"])
    assert page.startswith(f"#/experiments/{experiment}/runs?workflowType=machine_learning")
    assert page.endswith(f"viewStateShareKey={VIEW}")
    state = json.loads(client.get_experiment(experiment).tags[TAG])
    assert state["selectedColumns"][-2:] == ["tags.`state`", "metrics.`toy/loss`"]


def test_the_columns_are_headlines_of_their_stages():
    from fnmatch import fnmatchcase

    for column in columns():
        stage, _, name = column.partition("/")
        assert name == "kimg" or any(fnmatchcase(name, each) for each in HEADLINES[stage]), column
