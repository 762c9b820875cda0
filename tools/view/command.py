"""`mimic3d view [SNAPSHOT | RUN | FOLDER ...]`: snapshots in the browser, from any camera."""

import argparse
import os
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import torch

from mimic3d.rendering.backend import BackendName, choose_backend

DEFAULTS = (Path("runs"), Path("state"))  # published ones; those of trainings that go on
RUN_ID = re.compile("[0-9a-f]{32}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Serves until it is interrupted; returns the exit code."""
    parser = argparse.ArgumentParser(prog="mimic3d view", description=__doc__)
    parser.add_argument(
        "places", nargs="*", metavar="PLACE",
        help="snapshots (folder or G_ema.safetensors), folders that hold some, or ids of MLflow's "
        "runs; no others can be opened (default: runs/ and, while a training goes on, state/)",
    )  # fmt: skip
    parser.add_argument("--port", type=int, default=8080, help="the next free one if it is taken")
    parser.add_argument(
        "--host", default="127.0.0.1",
        help="address to listen on; another than 127.0.0.1 lets others on the network reach the "
        "viewer, who then need only the token, sent in clear: use an ssh tunnel instead",
    )  # fmt: skip
    parser.add_argument(
        "--renderer", choices=get_args(BackendName), default="auto",
        help="auto: the fastest here, as soon as it is compiled",
    )  # fmt: skip
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
    choose_backend(args.renderer, device)  # refuses what cannot run before a page is opened
    places = args.places or [path for path in DEFAULTS if path.is_dir()] or DEFAULTS[:1]
    roots = [resolve_place(str(place)) for place in places]
    return Viewer(Collection(roots, device, args.renderer), args.host, args.port)


def resolve_place(place: str) -> Path:
    """Path of a folder or of a weight file that was named, or of the snapshot of an MLflow run.

    Raises:
        ValueError: it is none of these.
    """
    path = Path(place)
    if path.is_dir() or path.name == "snapshot.json":
        return path if path.is_dir() else path.parent
    if path.is_file():
        if path.suffix == ".pkl":
            raise ValueError(
                f"{path} is a checkpoint of another program; convert it first: `mimic3d convert "
                f"{path} data/init/NAME`, then view data/init/NAME"
            )
        if path.suffix != ".safetensors":
            raise ValueError(
                f"a snapshot is a folder or its G_ema.safetensors, {path} is neither; name one of "
                f"these"
            )
        is_whole = (path.parent / "snapshot.json").is_file()
        return path.parent if is_whole and path.name == "G_ema.safetensors" else path
    if RUN_ID.fullmatch(place):
        from pipeline.cluster import load_settings, tracking_uri
        from pipeline.tracking.artifacts import fetch_snapshot

        root = Path.cwd()
        uri = tracking_uri(load_settings(root), root, os.environ)
        return fetch_snapshot(uri, place, root)
    raise ValueError(
        f"{path} must be a snapshot, a folder that holds some or the id of an MLflow run, does not "
        f"exist; train with `make repro` first, or name another"
    )


if __name__ == "__main__":
    sys.exit(main())
