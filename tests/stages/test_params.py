import subprocess
import sys
from pathlib import Path
from typing import Literal

import pytest
from pydantic import PositiveFloat, PositiveInt, model_validator

from mimic3d.config import Config
from pipeline.params import load_params
from pipeline.stage import choices
from pipeline.tracking.mlflow_runs import flatten
from stages.dataset import dataset_folder
from stages.imitate import ImitateConfig
from stages.pretrain import PretrainConfig


class Inner(Config):
    r1_gamma: PositiveFloat = 1.0
    """Weight of R1."""
    mode: Literal["sharp", "soft"] = "soft"
    size: tuple[int, int] = (1, 2)


class Outer(Config):
    adversarial: Inner = Inner()
    second: Inner | None = None
    batch: PositiveInt

    @model_validator(mode="after")
    def _batch_is_even(self) -> "Outer":
        if self.batch % 2:
            raise ValueError(f"batch must be even, is {self.batch}")
        return self


def write(root: Path, text: str) -> None:
    (root / "params.yaml").write_text(text)


def error_of(root: Path, section: str) -> str:
    write(root, section)
    with pytest.raises(ValueError) as caught:  # noqa: PT011  the tests read the message
        load_params("toy", Outer, root)
    return str(caught.value)


def test_defaults_fill_what_the_file_leaves_out(tmp_path):
    write(tmp_path, "toy:\n  batch: 4\n  adversarial:\n    size: [3, 4]\n    r1_gamma: 1e-3\n")
    assert load_params("toy", Outer, tmp_path) == Outer(
        batch=4, adversarial=Inner(size=(3, 4), r1_gamma=0.001)
    )


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ("toy: {batch: 2, adversarial: {r1_gama: 1}}", ["toy.adversarial.r1_gama", "r1_gamma?"]),
        ("toy: {batch: 2, second: {r1_gama: 1}}", ["toy.second.r1_gama", "r1_gamma?"]),
        ("toy: {batch: 2, adversarial: {r1_gamma: -1}}", ["greater than 0", "is -1", "Weight"]),
        ("toy: {batch: 2, adversarial: {mode: hard}}", ["toy.adversarial.mode", '"hard"', "soft"]),
        ("toy: {batch: true}", ["toy.batch", "integer", "true"]),
        ("toy: {batch: '2'}", ["toy.batch", "integer", '"2"']),
        ("toy: {batch: .nan}", ["toy.batch"]),
        ("toy: {}", ["toy.batch must be given"]),
        ("toy: {batch: 3}", ["toy.batch must be even", "is 3"]),
        ("toy:", ["toy", "group of parameters"]),
        ("other: {}", ["section toy"]),
        ("toy: {batch: 1", ["line", "YAML"]),
        ("toy: {batch: 2, batch: 4}", ["YAML"]),
    ],
)
def test_mistakes_are_explained_with_their_full_key(tmp_path, section, words):
    message = error_of(tmp_path, section)
    assert all(word in message for word in words), message
    assert len(message.splitlines()) == 1


def test_a_validator_that_names_its_field_gets_the_full_key(tmp_path):
    assert error_of(tmp_path, "toy: {batch: 3}") == "toy.batch must be even, is 3"


def test_every_mistake_has_a_line(tmp_path):
    message = error_of(tmp_path, "toy: {batch: 0, adversarial: {r1_gamma: 0, mode: 3}}")
    assert len(message.splitlines()) == 3


def test_a_missing_file_is_explained(tmp_path):
    with pytest.raises(ValueError, match="project folder"):
        load_params("toy", Outer, tmp_path)


def test_dataset_lies_under_its_name(tmp_path):
    write(tmp_path, "prepare: {name: heads}")
    assert dataset_folder(tmp_path) == tmp_path / "data" / "heads"


@pytest.mark.parametrize("name", ["a/b", "..", "raw", "init", "", "3"])
def test_dataset_names_that_are_no_folder_are_refused(tmp_path, name):
    write(tmp_path, f"prepare: {{name: {name}}}" if name else "prepare: {}")
    with pytest.raises(ValueError, match=r"prepare\.name"):
        dataset_folder(tmp_path)


def test_a_stage_run_by_hand_says_one_sentence_and_fails(tmp_path):
    write(tmp_path, "prepare: {nam: heads}")
    command = [sys.executable, "-m", "stages.prepare"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert "prepare.nam is no parameter" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_group_given_in_part_keeps_the_defaults_of_its_section(tmp_path):
    """Both stages share the Config of the density loss, but not the defaults of the authors."""
    (tmp_path / "params.yaml").write_text(
        "pretrain: {density: {num_points: 7}}\n"
        "imitate: {density: {num_points: 7}, imitation: {perceptual: {channel_divisor: 2}}}\n"
    )
    pretrain = load_params("pretrain", PretrainConfig, tmp_path)
    imitate = load_params("imitate", ImitateConfig, tmp_path)
    assert pretrain.density == PretrainConfig().density.model_copy(update={"num_points": 7})
    assert imitate.density == ImitateConfig().density.model_copy(update={"num_points": 7})
    assert imitate.density.distance != pretrain.density.distance
    assert imitate.imitation.perceptual.channel_divisor == 2
    assert imitate.imitation.weight == ImitateConfig().imitation.weight


def test_choices_are_what_differs_from_the_defaults_of_the_stage():
    """Of a group with defaults of its own, such as an optimiser, those are meant."""
    assert choices(PretrainConfig()) == {}
    rate = PretrainConfig().d_optimizer.lr * 2
    given = {"d_optimizer": {"lr": rate, "beta1": PretrainConfig().d_optimizer.beta1}}
    assert choices(PretrainConfig.model_validate(given)) == {"d_optimizer.lr": rate}
    assert choices(Outer(batch=4)) == dict(flatten(Outer(batch=4).model_dump(mode="json")))
