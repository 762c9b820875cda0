"""State that a training stage goes on from, on all its processes."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from os import environ
from pathlib import Path

from accelerate import Accelerator
from accelerate.utils import broadcast_object_list

from mimic3d.config import Config
from pipeline.project import STATES, ProjectPaths
from pipeline.stage import hash_code
from pipeline.state_options import StateOptions, explain_new_state, find_continued, read_options
from pipeline.tracking.tracker import Tracker
from pipeline.training_state import (
    StateFolder,
    TrainingIdentity,
    begin_folder,
    choose_folder,
    copy_state,
)

LOOKS_ONLY = ("mimic3d.gallery", "stages.sample_grid")
"""Code that draws what a training has made; it is no part of a state's key."""
ENDS_ONLY = ("total_kimg", "max_nonfinite")
"""Parameters of the loop that decide when a training ends, and nothing else."""


def identify_training(stage: str, cfg: Config, *inputs: str) -> TrainingIdentity:
    """Identity that names the states of a stage; `inputs` are checksums of the files it reads."""
    params = cfg.model_dump(mode="json")
    for name in ENDS_ONLY:
        del params["loop"][name]
    return TrainingIdentity(params, list(inputs), hash_code(stage))


@contextmanager
def open_state(
    stage: str, root: Path, tracker: Tracker, accelerator: Accelerator,
    identity: TrainingIdentity, total_nimg: int,
) -> Iterator[StateFolder]:  # fmt: skip
    """The folder of states to go on in, the same on all processes, nobody else's while it is open.

    Raises:
        ValueError: another training uses it, or the state that a user asked for cannot be had.
    """
    with ExitStack() as stack:
        name: list[str | None] = [None]
        if accelerator.is_main_process:
            options = read_options(environ)
            states = ProjectPaths(root).states(stage)
            for each in tracker.sync.names(states):  # those that may be chosen
                if each.startswith(identity.key) or each == options.continued:
                    tracker.sync.pull(states / each)
            folder = choose_folder(root, stage, identity.key, total_nimg, options.anew)
            stack.enter_context(folder.locked(root))
            _begin(folder, identity, total_nimg, options, root)
            tracker.sync.push(folder.path)
            name = [folder.name]
        broadcast_object_list(name)
        folder = StateFolder(ProjectPaths(root).states(stage) / str(name[0]))
        tracker.sync.pull(folder.path)
        yield folder


def _begin(
    folder: StateFolder, identity: TrainingIdentity, total_nimg: int, options: StateOptions,
    root: Path,
) -> None:  # fmt: skip
    """Fills the folder if it is new, and says what the user may not expect."""
    stage = folder.path.parent.name
    source = find_continued(options, root, stage)
    if source is not None and source.name != folder.name:
        _continue(source, folder, total_nimg)
    elif (
        not folder.nimg
        and not options.anew
        and (notice := explain_new_state(root, stage, identity))
    ):
        print(notice, flush=True)
    elif folder.nimg and folder.nimg == folder.finished_nimg == total_nimg:
        print(
            f"{stage}: trained before, {STATES}/{stage}/{folder.name} has all its "
            f"{folder.nimg / 1000:g} kimg; its results are published again (--anew trains anew)",
            flush=True,
        )
    begin_folder(folder, identity, total_nimg, options.anew)


def _continue(source: StateFolder, folder: StateFolder, total_nimg: int) -> None:
    """Copies the newest state of `source`, unless an earlier attempt has done so."""
    stage = folder.path.parent.name
    is_done = any(each.startswith(f"{source.name} at ") for each in folder.continued_from)
    if folder.nimg and not is_done:
        raise ValueError(
            f"{stage}: parameters and code of now have a state already, {folder.path}, so it "
            f"cannot continue {source.name}; leave out --continue-state, or delete it first "
            f"(python -m pipeline.states --delete {folder.name})"
        )
    if source.nimg > total_nimg:
        raise ValueError(
            f"{stage}.loop.total_kimg must be at least the {source.nimg / 1000:g} kimg of state "
            f"{source.name} to continue it, is {total_nimg / 1000:g}; raise it"
        )
    if not is_done:
        copy_state(source, folder)
        print(f"{stage}: goes on from {source.path}, in {folder.path}", flush=True)
