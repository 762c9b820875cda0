"""`mimic3d view [SNAPSHOT | RUN | FOLDER ...]`: snapshots in the browser, from any camera."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch

DEFAULT = Path("runs")


def main(arguments: Sequence[str] | None = None) -> int:
    """Serves until it is interrupted; returns the exit code."""
    parser = argparse.ArgumentParser(prog="mimic3d view", description=__doc__)
    parser.add_argument(
        "folders",
        nargs="*",
        type=Path,
        default=[DEFAULT],
        help=f"snapshots, or folders that hold some; no others can be opened (default: {DEFAULT})",
    )
    parser.add_argument("--port", type=int, default=8080, help="the next free one if it is taken")
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on; another than 127.0.0.1 lets others on the network reach the "
        "viewer, who then need only the token, sent in clear: use an ssh tunnel instead",
    )
    args = parser.parse_args(arguments)
    try:
        viewer = _open(args)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Open {viewer.url} (Ctrl-C ends it)", flush=True)
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        viewer.close()
    return 0


def _open(args: argparse.Namespace):
    try:
        from tools.view.snapshots import Collection
        from tools.view.viewer import Viewer
    except ModuleNotFoundError as error:
        raise ValueError(
            f"the viewer needs viser, which is missing ({error}); pip install -e '.[view]'"
        ) from error
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    for folder in args.folders:
        if not folder.is_dir():
            raise ValueError(f"{folder} must be a folder, is none; train with `make repro` first")
    return Viewer(Collection(args.folders, device), args.host, args.port)


if __name__ == "__main__":
    sys.exit(main())
