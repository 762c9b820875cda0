"""A training that blows up ends with a sentence, and what it saved can be loaded."""

import pytest
from ruamel.yaml import YAML
from safetensors.torch import load_file

pytestmark = [pytest.mark.slow, pytest.mark.cluster]


@pytest.mark.parametrize("lr", [1e4, 1e30])
def test_a_training_that_blows_up_ends_with_one_sentence(project, trainings, lr):
    trainings.set_up(project, total_kimg=0.8, max_nonfinite=3)
    yaml = YAML()
    params = yaml.load(project / "params.yaml")
    params["pretrain"]["g_optimizer"] = {"lr": lr}
    yaml.dump(params, project / "params.yaml")
    assert trainings.run(project) == 1
    log = (project / "log").read_text()
    *_, line = log.splitlines()
    assert "lower a learning rate" in line
    assert "is intact" in line or "are intact" in line
    assert line.startswith("pretrain.loop.max_nonfinite = 3 steps in a row") or "finite" in line
    assert "Traceback" not in log
    assert not (project / "runs").exists()
    for path in (project / "state").rglob("*.safetensors"):
        assert all(tensor.isfinite().all() for tensor in load_file(path).values()), path
