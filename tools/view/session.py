"""Drawing session of one client: coarsely while something moves, fully at rest."""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from tools.view.drawing import DrawingInterruptedError, Picture, draw
from tools.view.settings import ViewSettings
from tools.view.subject import Subject

REST_SECONDS = 0.2  # without an event, then the picture is drawn fully
MOVING_SECONDS = 0.08  # that a picture may take while something moves
SMALLEST, STEP = 32, 16  # pixels of a coarse picture, and multiple of its side
SMOOTHING = 0.5  # of the measured speed, share of the newest drawing
EPI_RESOLUTION = 128  # a row over 64 cameras costs as much as two pictures of this side

Show = Callable[[Picture, bool], None]


@dataclass(frozen=True)
class Request:
    """Request of a picture: settings and the subjects they name."""

    settings: ViewSettings
    subjects: tuple[Subject, ...]


class ViewSession:
    """A thread that draws the newest request; older ones are given up and never shown."""

    def __init__(self, show: Show, lock: threading.Lock) -> None:
        """Starts the thread; `show` gets each picture and True if full, `lock` takes turns."""
        self._show, self._lock = show, lock
        self._event = threading.Condition()
        self._request: Request | None = None
        self._version = 0
        self._changed_at = 0.0
        self._is_closed = False
        self._rays_per_second = 20_000.0  # a careful guess, until the first drawing
        self._thread = threading.Thread(target=self._run, name="view", daemon=True)
        self._thread.start()

    def request(self, request: Request) -> None:
        """Shows this request from now on."""
        with self._event:
            self._request, self._version = request, self._version + 1
            self._changed_at = time.monotonic()
            self._event.notify()

    def close(self) -> None:
        """Ends the thread, in the middle of a drawing if need be."""
        with self._event:
            self._is_closed, self._version = True, self._version + 1
            self._event.notify()
        self._thread.join()

    def coarse_resolution(self, full: int) -> int:
        """Side of a picture that is drawn within MOVING_SECONDS, at the speed measured so far."""
        side = math.sqrt(self._rays_per_second * MOVING_SECONDS)
        return int(min(full, max(SMALLEST, side // STEP * STEP)))

    def _run(self) -> None:
        drawn, is_full = 0, True
        while True:
            with self._event:
                while self._version == drawn and is_full and not self._is_closed:
                    self._event.wait()
                if self._version == drawn and not self._is_closed:
                    rest = self._changed_at + REST_SECONDS - time.monotonic()
                    if rest > 0 and self._event.wait(rest):
                        continue  # something has moved, or this was woken for nothing
                if self._is_closed:
                    return
                version, request = self._version, self._request
            assert request is not None
            full = request.settings.resolution
            if request.settings.panel == "epi":
                full = min(full, EPI_RESOLUTION)
            coarse = self.coarse_resolution(full)
            resolution = full if version == drawn else coarse
            if self._draw(request, resolution, version, resolution == full):
                drawn, is_full = version, resolution == full

    def _draw(self, request: Request, resolution: int, version: int, is_full: bool) -> bool:
        """True if the picture was shown; it is not if the request has changed meanwhile.

        A coarse picture is finished whatever moves, since it would never be otherwise.
        """

        def is_stale() -> bool:
            return self._is_closed or (is_full and self._version != version)

        try:
            with self._lock:
                picture = draw(request.subjects, request.settings, resolution, is_stale)
        except DrawingInterruptedError:
            return False
        rendering = max(picture.timings.render / 1000, 1e-4)
        speed = picture.num_rays / rendering
        self._rays_per_second += SMOOTHING * (speed - self._rays_per_second)
        if self._is_closed:
            return False
        self._show(picture, is_full)
        return True


def on_canvas(
    pixels: UInt8[np.ndarray, "h w 3"], aspect: float, grey: int
) -> UInt8[np.ndarray, "h2 w2 3"]:
    """The picture in the middle of a canvas of this width / height, filled with one grey."""
    height, width = pixels.shape[:2]
    rows, columns = max(height, round(width / aspect)), max(width, round(height * aspect))
    canvas = np.full((rows, columns, 3), grey, np.uint8)
    top, left = (rows - height) // 2, (columns - width) // 2
    canvas[top : top + height, left : left + width] = pixels
    return canvas
