"""State of a run on disk, to resume it: networks, optimisers, counters; no random state."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from mimic3d.atomic import atomic_folder
from mimic3d.content_hash import content_hash
from mimic3d.networks.snapshot import META as SNAPSHOT_META
from mimic3d.networks.snapshot import SnapshotMeta, load_weights, save_weights
from mimic3d.training.meter import Sums
from mimic3d.training.nonfinite import find_nonfinite

META = "state.json"
KEEP = 2  # states kept: the newest, and the one before in case it is damaged later


@dataclass
class Progress:
    """Progress of a run, and what it reported on the way."""

    nimg: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    """One row of statistics per tick."""
    monitor: list[dict[str, float]] = field(default_factory=list)
    """One row per measurement of G_ema."""
    sums: Sums = field(default_factory=dict)
    """Sums of the tick that was going on, if the state was saved within one."""
    renderer: str = ""
    """The renderer of the last step; another one goes on to other bits."""


def save_state(
    folder: Path, progress: Progress, networks: Mapping[str, nn.Module],
    optimizers: Mapping[str, torch.optim.Optimizer], meta: SnapshotMeta | None = None,
) -> None:  # fmt: skip
    """Write a state into a folder of its own below `folder`, and drop the oldest ones.

    With `meta`, it is a snapshot, too, to be looked at while the training goes on.

    Raises:
        ValueError: the disk is full, or a weight is not finite; the states before are intact.
    """
    with atomic_folder(folder / f"nimg-{progress.nimg:09d}") as tmp:
        tensors = {name: network.state_dict() for name, network in networks.items()}
        tensors |= {f"{name}.adam": _adam_tensors(adam) for name, adam in optimizers.items()}
        sha256 = {}
        for name, weights in tensors.items():
            if broken := find_nonfinite(weights):
                raise ValueError(
                    f"a state must be finite to be saved, {broken} of {name} is not after "
                    f"{progress.nimg} images; the states before are intact: lower a learning rate"
                )
            path = tmp / f"{name}.safetensors"
            save_weights(path, weights)
            sha256[path.name] = content_hash(path)
        (tmp / META).write_text(json.dumps({**vars(progress), "sha256": sha256}))
        if meta is not None:
            update = {"nimg": progress.nimg, "sha256": sha256}
            text = meta.model_copy(update=update).model_dump_json(indent=2)
            (tmp / SNAPSHOT_META).write_text(text + "\n")
    for old in _states(folder)[:-KEEP]:
        shutil.rmtree(old)


def load_state(
    folder: Path, networks: Mapping[str, nn.Module],
    optimizers: Mapping[str, torch.optim.Optimizer],
) -> Progress:  # fmt: skip
    """Put the newest state below `folder` into the networks and optimisers; none is a fresh start.

    Raises:
        ValueError: the newest state is damaged.
    """
    states = _states(folder)
    if not states:
        return Progress()
    newest = states[-1]
    try:
        meta = json.loads((newest / META).read_text())
        sums = {name: (total, count) for name, (total, count) in meta["sums"].items()}
        progress = Progress(
            meta["nimg"], meta["history"], meta["monitor"], sums, meta.get("renderer", "")
        )
        sha256 = meta["sha256"]
        for name, network in networks.items():
            network.load_state_dict(load_weights(newest / f"{name}.safetensors", sha256))
        for name, adam in optimizers.items():
            _load_adam(adam, load_weights(newest / f"{name}.adam.safetensors", sha256))
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        before = f"the one before, {states[-2].name}" if len(states) > 1 else "the beginning"
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"a state must be complete and unchanged, {newest} is not ({reason}); delete that "
            f"folder to resume from {before}"
        ) from error
    return progress


def oldest_state(folder: Path) -> int:
    """Images consumed by the oldest state below `folder`, 0 without one."""
    states = _states(folder)
    return _nimg(states[0]) if states else 0


def _states(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("nimg-*") if path.is_dir())


def _nimg(state: Path) -> int:
    return int(state.name.removeprefix("nimg-"))


def _adam_tensors(adam: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Moments and step counts by the index of their parameter."""
    state = adam.state_dict()["state"]
    return {
        f"{index}.{key}": torch.as_tensor(value)
        for index, values in state.items()
        for key, value in values.items()
    }


def _load_adam(adam: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        index, key = name.split(".")
        state.setdefault(int(index), {})[key] = tensor
    adam.load_state_dict({"state": state, "param_groups": adam.state_dict()["param_groups"]})
