"""`mimic3d COMMAND ...`: all commands of the project by one name."""

import difflib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Main = Callable[[Sequence[str]], int]


@dataclass(frozen=True)
class Command:
    """One command: its function, which imports what it needs when it is called, and its help."""

    main: Main
    module: str
    """Module of the same command, `python -m module`."""
    summary: str
    example: str


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command that the first argument names; returns its exit code."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if not given or given[0] in ("-h", "--help", "help"):
        print(overview())
        return 0 if given else 2
    name, *rest = given
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f"did you mean {near[0]}?" if near else "`mimic3d --help` lists them"
        print(f"{name} is no command of mimic3d; {hint}", file=sys.stderr)
        return 2
    command = COMMANDS[name]
    try:
        return command.main(rest)
    finally:
        if {"-h", "--help"} & set(rest):
            print(f"\nexample: mimic3d {name} {command.example}".rstrip())


def overview() -> str:
    """Text that `mimic3d --help` prints: a line and an example per command."""
    width = max(map(len, COMMANDS)) + 2
    lines = ["usage: mimic3d COMMAND [ARGUMENT ...]", ""]
    lines += [f"  {name:{width}}{command.summary}" for name, command in COMMANDS.items()]
    lines += ["", "examples:"]
    lines += [f"  mimic3d {name} {command.example}".rstrip() for name, command in COMMANDS.items()]
    lines += ["", "`mimic3d COMMAND --help` shows the options of a command. The same without an"]
    lines += ["installed script: python -m MODULE, where MODULE is"]
    lines += [f"  {name:{width}}{command.module}" for name, command in COMMANDS.items()]
    return "\n".join(lines)


def _repro(arguments: Sequence[str]) -> int:
    from pipeline.repro import main

    return main(list(arguments))


def _run(arguments: Sequence[str]) -> int:
    from pipeline.run import main

    return main(list(arguments))


def _status(arguments: Sequence[str]) -> int:
    from pipeline.status import main

    return main(arguments)


def _states(arguments: Sequence[str]) -> int:
    from pipeline.states import main

    return main(arguments)


def _sweep(arguments: Sequence[str]) -> int:
    from pipeline.sweep.submit import main

    return main(list(arguments))


def _ablation(arguments: Sequence[str]) -> int:
    from experiments.ablation.command import main

    return main(list(arguments))


def _preset(arguments: Sequence[str]) -> int:
    from tools.preset import main

    return main(arguments)


def _render(arguments: Sequence[str]) -> int:
    from tools.render import main

    return main(list(arguments))


def _view(arguments: Sequence[str]) -> int:
    from tools.view.command import main

    return main(arguments)


def _invert(arguments: Sequence[str]) -> int:
    from tools.invert import main

    return main(arguments)


def _encode(arguments: Sequence[str]) -> int:
    from tools.encode import main

    return main(arguments)


def _edit(arguments: Sequence[str]) -> int:
    from tools.edit import main

    return main(arguments)


def _compare(arguments: Sequence[str]) -> int:
    from tools.compare import main

    return main(list(arguments))


def _export(arguments: Sequence[str]) -> int:
    from tools.export import main

    return main(arguments)


def _convert(arguments: Sequence[str]) -> int:
    from mimic3d.conversion.conversion import main

    return main(arguments)


def _face_models(arguments: Sequence[str]) -> int:
    from mimic3d.preparation.poses.face_models import main

    return main(arguments)


COMMANDS: dict[str, Command] = {
    "preset": Command(
        _preset, "tools.preset", "a file of presets/ becomes params.yaml", "ffhq512"
    ),
    "repro": Command(
        _repro, "pipeline.repro", "runs the stages that are not up to date, as `dvc repro`", ""
    ),
    "run": Command(_run, "pipeline.run", "runs one stage as a Ray job", "pretrain"),
    "status": Command(_status, "pipeline.status", "stages that run, and those that ran", ""),
    "states": Command(
        _states, "pipeline.states", "training states: what they are of, and which to delete", ""
    ),
    "sweep": Command(_sweep, "pipeline.sweep", "searches for better parameters", "sweep.yaml"),
    "ablation": Command(
        _ablation, "experiments.ablation", "the paper's ablation in miniature", "--seeds 3"
    ),
    "view": Command(
        _view, "tools.view", "snapshots in the browser, from any camera", "runs/imitate/snapshot"
    ),
    "render": Command(
        _render, "tools.render", "pictures, videos and meshes of a snapshot",
        "grid runs/imitate/snapshot grid.png --seeds 0-15",
    ),
    "invert": Command(
        _invert, "tools.invert", "photos -> a style, and a generator tuned to show them",
        "runs/imitate/snapshot me.jpg --out runs/people",
    ),
    "encode": Command(
        _encode, "tools.encode", "trains a network that reads style and camera from an image",
        "runs/imitate/snapshot --out runs/encoder",
    ),
    "edit": Command(
        _edit, "tools.edit", "strips of an object that is moved, interpolated or mixed",
        "directions runs/imitate/snapshot directions.png 0 --method factorized",
    ),
    "compare": Command(
        _compare, "tools.compare", "numbers of several evaluations side by side",
        "reports/evaluate ../other/reports/evaluate",
    ),
    "export": Command(
        _export, "tools.export", "a prepared dataset in the layout of EG3D",
        "data/heads heads.zip",
    ),
    "convert": Command(
        _convert, "mimic3d.conversion.conversion", "a checkpoint of the authors -> a snapshot",
        "network-snapshot-017000.pkl data/init/ffhq512",
    ),
    "face-models": Command(
        _face_models, "mimic3d.preparation.poses.face_models",
        "fetches the two networks that find faces", "cache/models",
    ),
}  # fmt: skip
"""The commands in the order in which people need them."""


if __name__ == "__main__":
    sys.exit(main())
