"""Speed of the viewer, from the command to the pictures that a page gets.

`python -m benchmarks.viewer` starts `mimic3d view` as a process of its own, opens it as a browser
does, moves the camera sixty times a second, stops, and changes the seed. The time that a browser
takes to start and to draw is not in it.
"""

import argparse
import io
import math
import queue
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import get_args

import msgspec
import viser
import zstandard
from PIL import Image
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.sync.connection import Connection

from mimic3d.cameras import Scene
from mimic3d.networks.snapshot import read_meta
from mimic3d.rendering.backend import BackendName

SECONDS, EVENTS_PER_SECOND = 5.0, 60
YAW_RAD = 0.4
FULL = 256  # pixels at rest
HEADER = 16  # bytes: two lengths before a batch of messages
WAIT_SECONDS = 60.0
Shown = tuple[float, int]
"""Time at which a picture arrived, and its height in pixels."""


class Page:
    """A page without a browser: sends cameras, receives pictures."""

    def __init__(self, socket: Connection, scene: Scene) -> None:
        self._socket, self._scene = socket, scene
        self.pictures: queue.Queue[Shown] = queue.Queue()
        threading.Thread(target=self._receive, daemon=True).start()

    def move(self, yaw_rad: float) -> float:
        """Turns the camera; returns the time of it."""
        pivot, radius = self._scene.pivot, self._scene.radius
        position = (pivot[0] + radius * math.sin(yaw_rad), pivot[1],
                    pivot[2] + radius * math.cos(yaw_rad))  # fmt: skip
        message = {
            "type": "ViewerCameraMessage", "wxyz": (1.0, 0.0, 0.0, 0.0), "position": position,
            "fov": 0.23, "near": 0.1, "far": 100.0, "image_height": 600, "image_width": 900,
            "look_at": pivot, "up_direction": (0.0, 1.0, 0.0),
        }  # fmt: skip
        self._socket.send(msgspec.msgpack.encode(message))
        return time.perf_counter()

    def wait(self, since: float, height: int = 0) -> float:
        """Seconds until a picture of at least this height arrives."""
        while True:
            at, size = self.pictures.get(timeout=WAIT_SECONDS)
            if at > since and size >= height:
                return at - since

    def _receive(self) -> None:
        unpack = zstandard.ZstdDecompressor()
        try:
            for batch in self._socket:
                assert isinstance(batch, bytes)
                at = time.perf_counter()
                end = HEADER + int.from_bytes(batch[8:HEADER], "little")
                content = msgspec.msgpack.decode(unpack.decompress(batch[HEADER:end]))
                for message in content["messages"]:
                    if message["type"] == "BackgroundImageMessage" and message["rgb_data"]:
                        self._take(at, message["rgb_data"])
        except ConnectionClosed:
            return

    def _take(self, at: float, content: bytes) -> None:
        with Image.open(io.BytesIO(content)) as image:
            self.pictures.put((at, image.height))


def main() -> None:
    """Prints a line per measurement."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.viewer", description=__doc__)
    parser.add_argument("snapshot", type=Path, nargs="?", default=Path("examples/heads64"))
    parser.add_argument("--renderer", choices=get_args(BackendName), default="auto")
    args = parser.parse_args()
    begun = time.perf_counter()
    command = [sys.executable, "-m", "tools.view", str(args.snapshot), "--port", "0"]
    server = subprocess.Popen(
        [*command, "--renderer", args.renderer], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        url = re.search(r"http\S+", server.stdout.readline())
        assert url, "the viewer did not start"
        print(f"address printed after {time.perf_counter() - begun:.2f} s")
        with connect(
            url[0].replace("http", "ws", 1), subprotocols=[f"viser-v{viser.__version__}"],  # type: ignore[list-item]
            max_size=None,
        ) as socket:  # fmt: skip
            _measure(Page(socket, read_meta(args.snapshot).scene), begun)
    finally:
        server.terminate()
        server.wait(20)


def _measure(page: Page, begun: float) -> None:
    page.move(0.0)
    first, full = page.wait(0.0) - begun, page.wait(0.0, FULL) - begun
    print(f"first picture {first:.2f} s after the command, {FULL} px after {full:.2f} s")
    time.sleep(3)  # kernels that are cached are loaded meanwhile
    for _ in range(2):
        _drag(page)
    before = page.move(0.0)
    page.wait(before, FULL)
    latency = page.wait(page.move(0.02))
    print(f"event to picture, from rest: {1000 * latency:.0f} ms")


def _drag(page: Page) -> None:
    while not page.pictures.empty():
        page.pictures.get()
    start = last = time.perf_counter()
    while (now := time.perf_counter()) - start < SECONDS:
        last = page.move(YAW_RAD * math.sin(now - start))
        time.sleep(1 / EVENTS_PER_SECOND)
    moving = [page.pictures.get() for _ in range(page.pictures.qsize())]
    heights = sorted(height for _, height in moving)
    print(f"moving: {len(moving) / SECONDS:.1f} pictures/s of {heights[len(heights) // 2]} px")
    print(f"at rest: {FULL} px {page.wait(last, FULL):.2f} s after the last event")


if __name__ == "__main__":
    main()
