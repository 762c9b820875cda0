"""Every command that writes, as `tools/test_outputs.py` walks them: arguments and places."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from mimic3d.preparation.poses.face_models import DETECTOR
from tools.cli import main


@dataclass(frozen=True)
class Writer:
    """One form of a command: its arguments, `{out}` being where the user wants the output."""

    arguments: tuple[str, ...]
    out: str
    """A name of an output that the command accepts."""
    is_file: bool = True
    replaces: bool = False
    """True if a second run may replace what the first wrote."""

    def call(self, out: Path | str) -> int:
        return main([each.replace("{out}", str(out)) for each in self.arguments])


def render(kind, out, *options, is_file=True):
    arguments = ("render", kind, "snapshot", "{out}", *options)
    return Writer(arguments, out, is_file, replaces=True)


def edit(kind, *options):
    return Writer(("edit", kind, "snapshot", "{out}", *options), "a.png", replaces=True)


SMALL = ("--seeds", "0", "--resolution", "8")
MESH = ("--seeds", "0", "--resolution", "8", "--density", "0.3", "--format", "ply")
BRIEF = (
    "num_rounds=1",
    "steps_per_round=1",
    "batch=2",
    "pool.num_objects=2",
    "styles.num_samples=9",
    "network.resolution=16",
)
ENCODE = (
    "encode",
    "snapshot",
    "--out",
    "{out}",
    "--renderer",
    "torch",
    *(x for each in BRIEF for x in ("--set", each)),
)
WRITERS = {
    "export": [
        Writer(("export", "data/tiny", "{out}"), "faces.zip"),
        Writer(("export", "data/tiny", "{out}"), "faces", is_file=False),
    ],
    "render": [
        render("grid", "a.png", *SMALL),
        render("views", "a.png", *SMALL, "--views", "2"),
        render("orbit", "a.mp4", *SMALL, "--frames", "2"),
        render("interpolate", "a.mp4", "--seeds", "0-1", "--resolution", "8", "--frames", "1"),
        render("epi", "a.png", *SMALL, "--views", "2"),
        render("picture", "a.png", "--settings", "resolution=16"),
        render("mesh", "meshes", *MESH, is_file=False),
        render("splats", "splats", *SMALL, "--format", "ply", is_file=False),
    ],
    "encode": [Writer(ENCODE, "encoder", is_file=False, replaces=True)],
    "edit": [
        edit("directions", "--columns", "2", "--directions", "0", "--resolution", "8"),
        edit("interpolate", "0", "1", "--columns", "2", "--resolution", "8"),
        edit("transfer", "0", "1", "--resolution", "8"),
    ],
    "compare": [Writer(("compare", "report", "report", "--out", "{out}"), "a.md", replaces=True)],
    "convert": [Writer(("convert", "model.pkl", "{out}"), "converted", is_file=False)],
}


@dataclass(frozen=True)
class Fixed:
    """A command whose outputs have places that a user names indirectly, or in params.yaml."""

    place: str
    """A folder that is replaced, or a file."""
    arguments: tuple[str, ...]
    params: dict[str, object]
    is_file: bool = False

    def call(self) -> int:
        return main(self.arguments)


PLAN = {
    "stages": ["pretrain", "imitate", "evaluate"],
    "metric": "evaluate/3d/fd_random_conv",
    "num_trials": 2,
    "space": {"pretrain.g_optimizer.lr": {"choice": [0.001, 0.002]}},
}
FIXED = {
    "preset": Fixed("params.yaml", ("preset", "mine"), {}, is_file=True),
    "sweep": Fixed("reports/sweep", ("sweep",), {}),
    "ablation": Fixed("reports/ablation/cpu", ("ablation", "--size", "cpu"), {}),
    "run": Fixed("data/mine", ("run", "prepare"), {"name": "mine"}),
    "repro": Fixed("data/mine", ("repro", "prepare"), {"name": "mine"}),
    "invert": Fixed(
        "own/tiny-train-000000",
        ("invert", "snapshot", "data/tiny:0", "--out", "own", "--renderer", "torch"),
        {},
    ),
    "face-models": Fixed(f"own/{Path(DETECTOR).name}", ("face-models", "own"), {}, is_file=True),
}
NOWHERE = {
    "status": "prints",
    "view": "sends what is saved to the browser, which asks where to put it",
    "states": "removes states on request by their key, see tests/pipeline/test_states.py",
}
STAGES = {
    "prepare": "data/<prepare.name>: the row `run`",
    "pretrain": "runs/ and reports/ of its own name",
    "imitate": "runs/ and reports/ of its own name",
    "evaluate": "runs/ and reports/ of its own name",
}


def forms() -> Sequence[object]:
    return [
        pytest.param(writer, id="-".join([name, *writer.arguments[1:2], writer.out]))
        for name, writers in WRITERS.items()
        for writer in writers
    ]
