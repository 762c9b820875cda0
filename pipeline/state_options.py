"""Options for training states: to train anew, or to go on from one of other code."""

import argparse
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.code_hash import changed_modules
from pipeline.project import STATES, ProjectPaths
from pipeline.training_state import StateFolder, TrainingIdentity, find_folders

ANEW = "MIMIC3D_ANEW"
CONTINUE = "MIMIC3D_CONTINUE_STATE"
NAMED = 3  # modules in a sentence


@dataclass(frozen=True)
class StateOptions:
    """Options of a stage that trains; they travel to its processes in the environment."""

    anew: str | None = None
    """Start from nothing, even if the same was trained before; the text tells one wish from
    another, so that a restart goes on."""
    continued: str | None = None
    """Name of a folder of states to go on from, whatever its parameters, inputs and code were."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """--anew and --continue-state."""
    parser.add_argument(
        "--anew",
        action="store_true",
        help=f"train the same thing once more, beside its old state (or {ANEW}=1)",
    )
    parser.add_argument(
        "--continue-state",
        metavar="KEY",
        help=f"go on from this state, though parameters or code changed (or {CONTINUE}=KEY); "
        f"`python -m pipeline.states` lists them",
    )


def put_options(args: argparse.Namespace, stage: str, trains: bool) -> StateOptions:
    """Puts the options of a command line into the environment of this process, and returns them.

    Raises:
        ValueError: the stage has no states, or both are given.
    """
    if (args.anew or args.continue_state) and not trains:
        raise ValueError(f"--anew and --continue-state are for stages that train, {stage} does not")
    if args.anew or _is_set(os.environ.get(ANEW)):
        os.environ[ANEW] = secrets.token_hex(4)
    if args.continue_state:
        os.environ[CONTINUE] = args.continue_state
    return read_options(os.environ)


def read_options(environ: Mapping[str, str]) -> StateOptions:
    """The options in an environment.

    Raises:
        ValueError: both are given.
    """
    anew, continued = environ.get(ANEW), environ.get(CONTINUE)
    options = StateOptions(anew if _is_set(anew) else None, continued or None)
    if options.anew and options.continued:
        raise ValueError(
            f"a training either begins anew or continues state {options.continued}; leave out "
            f"--anew ({ANEW}) or --continue-state ({CONTINUE})"
        )
    return options


def find_continued(options: StateOptions, root: Path, stage: str) -> StateFolder | None:
    """The folder to go on from; None if none is asked for, or it is one of another stage.

    Raises:
        ValueError: no stage has it.
    """
    if options.continued is None:
        return None
    mine = ProjectPaths(root).states(stage)
    folders = {path.name: find_folders(root, path.name) for path in mine.parent.glob("*")}
    owners = [name for name, each in folders.items() if options.continued in {f.name for f in each}]
    if not owners:
        names = [folder.name for folder in folders.get(stage, [])]
        raise ValueError(
            f"--continue-state must name a folder below {STATES}/{stage}, is {options.continued}; "
            f"there {'are ' + ', '.join(names) if names else 'is none'}"
        )
    return StateFolder(mine / options.continued) if stage in owners else None


def explain_new_state(root: Path, stage: str, identity: TrainingIdentity) -> str | None:
    """One sentence if only the code keeps a training from going on where another one is."""
    others = [each for each in find_folders(root, stage) if each.nimg]
    same = [each for each in others if each.identity and _only_code_differs(each, identity)]
    if same:
        last = max(same, key=lambda each: each.path.stat().st_mtime)
        assert last.identity is not None
        changed = changed_modules(last.identity.code, identity.code)
        more = f" and {len(changed) - NAMED} more" if len(changed) > NAMED else ""
        reason = f"{', '.join(changed[:NAMED])}{more} changed since"
    else:
        former = [each for each in others if each.name == identity.key_without_code]
        if not former:
            return None
        last, reason = former[0], "nobody noted the code of"
    return (
        f"{stage}: {reason} {STATES}/{stage}/{last.name} ({last.nimg / 1000:g} kimg), so a new "
        f"state begins beside it; to go on from the old one, end this and start it with "
        f"--continue-state {last.name} (or {CONTINUE}={last.name} dvc repro)"
    )


def differing_params(known: TrainingIdentity, now: TrainingIdentity) -> list[str]:
    """Dotted keys of parameters that both know and that are not equal; new code may know others."""
    theirs, ours = (dict(_leaves(each.params)) for each in (known, now))
    return sorted(name for name in theirs.keys() & ours.keys() if theirs[name] != ours[name])


def _only_code_differs(folder: StateFolder, identity: TrainingIdentity) -> bool:
    known = folder.identity
    assert known is not None
    is_same = known.inputs == identity.inputs and not differing_params(known, identity)
    return is_same and known.code != identity.code


def _leaves(group: Mapping[str, object], prefix: str = "") -> list[tuple[str, object]]:
    leaves: list[tuple[str, object]] = []
    for name, value in group.items():
        if isinstance(value, Mapping):
            leaves += _leaves(value, f"{prefix}{name}.")
        else:
            leaves.append((f"{prefix}{name}", value))
    return leaves


def _is_set(value: str | None) -> bool:
    return value not in (None, "", "0")
