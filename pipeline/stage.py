"""A stage by its name: its Config, its checks, its run; the only dynamic import of the house."""

import argparse
import importlib
import importlib.util
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol, cast

from pydantic import ValidationError

from mimic3d.config import Config
from pipeline.cluster import Workers
from pipeline.code_hash import hash_modules, join_hashes
from pipeline.params import FILE, list_sections, load_params
from pipeline.preemption import EXIT_CODE, PreemptedError, install_sigterm_handler, working
from pipeline.state_options import add_options, put_options
from pipeline.tracking.mlflow_runs import flatten
from pipeline.tracking.tracker import Tracker
from pipeline.training_state import TrainingIdentity


class Stage(Protocol):
    """A module of stages/."""

    CONFIG: type[Config]

    def run(self, cfg: Config, root: Path, tracker: Tracker) -> None:
        """Makes the outputs of the stage in the project folder."""
        ...


def hash_code(stage: str) -> dict[str, str]:
    """Hash of each module that can change what a stage makes; see `pipeline.code_hash`."""
    return hash_modules([f"stages.{stage}"], getattr(load_stage(stage), "LOOKS_ONLY", ()))


def hash_stages(stages: Iterable[str]) -> str:
    """One hash of the code of several stages."""
    return join_hashes({stage: join_hashes(hash_code(stage)) for stage in stages})


def has_states(stage: str) -> bool:
    """True if a stage trains: it then says what names its states."""
    return hasattr(load_stage(stage), "identify")


def trained_stages(stages: Iterable[str]) -> list[str]:
    """Stages among these that train."""
    return [stage for stage in stages if has_states(stage)]


def identify(stage: str, root: Path) -> TrainingIdentity:
    """Identity of the training that a stage would do now.

    Raises:
        ValueError: its parameters are wrong, or its inputs are missing.
    """
    module: Any = load_stage(stage)
    return module.identify(load_config(stage, root), root)


def load_stage(stage: str) -> Stage:
    """Module of a stage."""
    return cast(Stage, importlib.import_module(f"stages.{stage}"))


def require_stages(stages: Iterable[str], root: Path) -> None:
    """Refuses names that are no stage of this project: a module of stages/ with a section.

    Raises:
        ValueError: one of them is none.
    """
    known = [name for name in list_sections(root) if importlib.util.find_spec(f"stages.{name}")]
    for stage in stages:
        if stage not in known:
            raise ValueError(
                f"there is no stage {stage}, a module of stages/ with a section in {FILE}; there "
                f"are {', '.join(known) or 'none'}"
            )


def load_config(stage: str, root: Path) -> Config:
    """Parameters of a stage, resolved and typed.

    Raises:
        ValueError: one line per mistake in the file.
    """
    return load_params(stage, load_stage(stage).CONFIG, root)


def validate(stage: str, root: Path) -> Config:
    """Resolved parameters of a stage, after its own cheap checks of them and of its inputs."""
    module, cfg = load_stage(stage), load_config(stage, root)
    if check := getattr(module, "check", None):
        check(cfg, root)
    return cfg


def check_alone(stage: str, root: Path) -> Config:
    """Resolved parameters of a stage, after those of its checks that need no earlier stage."""
    module, cfg = load_stage(stage), load_config(stage, root)
    if check := getattr(module, "check_alone", None):
        check(cfg, root)
    return cfg


def count_parts(stage: str, cfg: Config) -> int | None:
    """Equal parts in which processes can share a stage's work; None: any number of them can."""
    count = getattr(load_stage(stage), "count_parts", None)
    return 1 if count is None else count(cfg)


def run_stage(stage: str, root: Path, tracker: Tracker) -> None:
    """Loads the parameters of a stage, logs them with their defaults, and runs the stage."""
    cfg = load_config(stage, root)
    tracker.set_headlines(headlines(stage))
    tracker.log_params({stage: cfg.model_dump(mode="json")})
    tracker.log_choices({stage: choices(cfg)})
    with working():
        load_stage(stage).run(cfg, root, tracker)


def headlines(stage: str) -> Sequence[str]:
    """Metrics that stand for a stage, from stages/headlines.py; a project may do without."""
    if importlib.util.find_spec("stages.headlines") is None:
        return ()
    return importlib.import_module("stages.headlines").HEADLINES.get(stage, ())


def columns() -> Sequence[str]:
    """Columns of MLflow's first table: stage and metric; a project may do without."""
    if importlib.util.find_spec("stages.headlines") is None:
        return ()
    return importlib.import_module("stages.headlines").COLUMNS


def choices(cfg: Config) -> dict[str, Any]:
    """Parameters, by dotted key, that differ from the defaults of the stage."""
    try:
        default = dict(flatten(type(cfg)().model_dump(mode="json")))
    except ValidationError:  # one has no default
        default = {}
    given = flatten(cfg.model_dump(mode="json"))
    return {key: value for key, value in given if key not in default or default[key] != value}


def main(stage: str) -> None:
    """Runs a stage in this process, in the project folder: no Ray, no MLflow."""
    parser = argparse.ArgumentParser(prog=f"python -m stages.{stage}", description=main.__doc__)
    add_options(parser)
    args = parser.parse_args()
    install_sigterm_handler(Workers().grace_seconds)
    try:
        put_options(args, stage, has_states(stage))
        validate(stage, Path.cwd())
        run_stage(stage, Path.cwd(), Tracker())
    except ValueError as error:
        print(error, file=sys.stderr)
        sys.exit(1)
    except PreemptedError as error:
        print(f"{error}; the same command goes on from there", file=sys.stderr)
        sys.exit(EXIT_CODE)
