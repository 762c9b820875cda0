"""`dvc repro` with one Ray head for all its stages; without any when there is nothing to do."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

from pipeline.cluster import Settings, find_address, load_settings
from pipeline.jobs.detached import recall_all
from pipeline.jobs.head import local_head
from pipeline.jobs.locks import dvc_owner, locked
from pipeline.preflight import changed_stages, check_stages

GUIDE = [  # what must exist, what to open or type, what it shows
    ("reports/prepare/report.html", "reports/prepare/report.html", "the images and their cameras"),
    (
        "reports/imitate/samples.png",
        "reports/imitate/samples.png",
        "objects from side to side; left by the 2D branch, right by the 3D branch",
    ),
    (
        "reports/evaluate/report.html",
        "reports/evaluate/report.html",
        "distances from real images, agreement of views, pictures",
    ),
    ("runs", "make view", "the generator in the browser, from any camera"),
    ("mlflow.db", "make ui", "curves, pictures and snapshots of all runs, in MLflow"),
]


def main(arguments: list[str]) -> int:
    """`python -m pipeline.repro [arguments of dvc repro]`, in the project folder."""
    root = Path.cwd()
    try:
        settings = load_settings(root)
        allow_no_git(root)
        with locked(root, "repro", "a reproduction"):
            require_idle(root)
            return _reproduce(root, settings, arguments)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1


def require_idle(root: Path) -> None:
    """Refuses to start beside a DVC at work, or over results that DVC does not know yet.

    Raises:
        ValueError: there is one of them.
    """
    if owner := dvc_owner(root):
        raise ValueError(f"{owner} runs in this folder already; wait for it or end it")
    for each in recall_all(root):  # DVC would remove its outputs
        raise ValueError(each.advice)


def _reproduce(root: Path, settings: Settings, arguments: list[str]) -> int:
    dvc = [sys.executable, "-m", "dvc"]
    has_options = any(each.startswith("-") for each in arguments)
    changed = None if has_options else changed_stages(root, arguments)
    check_stages(root, settings, changed)  # DVC removes outputs before a stage can speak
    if find_address(settings, os.environ):
        return _guide(root, _call([*dvc, "repro", *arguments]))
    if changed == []:
        including = " and all before it" if arguments else "all stages"
        print(f"Nothing to do: {' '.join(arguments)}{including} are up to date.")
        return 0
    most = max((row.min_cpus for row in settings.local.values()), default=1)
    with local_head(most, root):
        return _guide(root, _call([*dvc, "repro", *arguments]))


def _guide(root: Path, code: int) -> int:
    """Says where to look, after a reproduction that succeeded; returns its exit code."""
    if code == 0:
        rows = [(name, text) for path, name, text in GUIDE if (root / path).exists()]
        width = max((len(name) for name, _ in rows), default=0)
        print("\n".join(["Look at", *(f"  {name:{width}}  {text}" for name, text in rows)]))
    return code


def allow_no_git(root: Path) -> None:
    """Lets DVC work in a folder that is no git checkout, such as an unpacked archive."""
    config = root / ".dvc" / "config.local"
    if not config.exists() and not any((each / ".git").exists() for each in (root, *root.parents)):
        print(f"This is no git checkout: telling DVC so in {config.relative_to(root)}.")
        config.parent.mkdir(exist_ok=True)
        config.write_text("[core]\n    no_scm = true\n")


def _call(command: list[str]) -> int:
    """Runs a command; signals go to it, and this process stays to clean up after it."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    process = subprocess.Popen(command, env={**os.environ, "PATH": path})

    def forward(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGTERM:  # the terminal itself sends SIGINT to both
            process.terminate()

    before = {each: signal.signal(each, forward) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        code = process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
