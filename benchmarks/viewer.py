"""Pictures per second of the viewer, and time to the full one: `python -m benchmarks.viewer`."""

import argparse
import threading
import time
from pathlib import Path

import torch

from tools.view.drawing import Picture, draw
from tools.view.session import Request, ViewSession
from tools.view.settings import ViewSettings
from tools.view.snapshots import Collection

SECONDS = 5.0
RESOLUTIONS = (64, 128, 256, 512)


def main() -> None:
    """Prints a table: full pictures by resolution, then a camera that moves all the time."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.viewer", description=__doc__)
    parser.add_argument("snapshot", type=Path, nargs="?", default=Path("runs/imitate/snapshot"))
    args = parser.parse_args()
    begun = time.perf_counter()
    subject = Collection([args.snapshot], torch.device("cpu")).subject(0)
    draw((subject,), ViewSettings(), 64)
    seconds = time.perf_counter() - begun
    print(f"{torch.get_num_threads()} threads; first picture after {seconds:.2f} s")
    for resolution in RESOLUTIONS:
        times = []
        for _ in range(3):
            start = time.perf_counter()
            draw((subject,), ViewSettings(), resolution)
            times.append(time.perf_counter() - start)
        print(f"3D branch, {resolution} px: {1000 * min(times):.0f} ms")

    shown: list[tuple[float, Picture, bool]] = []
    is_at_rest = threading.Event()

    def show(picture: Picture, is_full: bool) -> None:
        shown.append((time.perf_counter(), picture, is_full))
        if is_full:
            is_at_rest.set()

    session = ViewSession(show, threading.Lock())
    start = time.perf_counter()
    while (now := time.perf_counter()) - start < SECONDS:
        yaw = 0.4 * (now - start) / SECONDS
        session.request(Request(ViewSettings(yaw_rad=yaw), (subject,)))
        time.sleep(1 / 60)
    moving = [picture for _, picture, _ in shown]
    is_at_rest.clear()
    stopped = time.perf_counter()
    session.request(Request(ViewSettings(yaw_rad=0.4), (subject,)))
    is_at_rest.wait(60)
    print(f"moving: {len(moving) / SECONDS:.1f} pictures/s of {moving[-1].pixels.shape[0]} px")
    print(f"at rest: {ViewSettings().resolution} px after {time.perf_counter() - stopped:.2f} s")
    session.close()


if __name__ == "__main__":
    main()
