"""Drawing session of one client: coarsely while something moves, fully at rest."""

import math
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from typing import Protocol

from tools.view.drawing import TILE, DrawingInterruptedError, Picture, draw, measure_drift
from tools.view.settings import ViewSettings
from tools.view.subject import Subject

REST_SECONDS = 0.15  # without an event, then the picture is drawn fully
MOVING_SECONDS = 0.05  # that the rays of a picture may take while something moves
TILE_SECONDS = 0.05  # after which a full drawing looks whether something has moved
SMALLEST, STEP = 32, 16  # pixels of a coarse picture, and multiple of its side
SMOOTHING = 0.5  # of the measured speed, share of the newest drawing
EPI_RESOLUTION = 256  # of each branch; every camera is another picture of the 2D branch


class Display(Protocol):
    """Receiver of what a session makes."""

    def show(self, picture: Picture, is_full: bool, per_second: float) -> None:
        """Shows a picture; so many of them were shown in the last second."""

    def show_drift(self, drift: float) -> None:
        """Shows how much the picture changes if the conditioning follows the view."""

    def show_error(self, sentence: str) -> None:
        """Shows why there is no picture."""


class ViewSession:
    """A thread that draws the newest settings; older ones are given up and never shown."""

    def __init__(
        self, display: Display, find: Callable[[ViewSettings], tuple[Subject, ...]],
        lock: threading.Lock,
    ) -> None:  # fmt: skip
        """Starts the thread; `find` gives the generators of settings, `lock` takes turns."""
        self._display, self._find, self._lock = display, find, lock
        self._event = threading.Condition()
        self._settings = ViewSettings()
        self._version = 0
        self._changed_at = 0.0
        self._is_closed = False
        self._rays_per_second = 20_000.0  # a careful guess, until the first drawing
        self._shown_at: deque[float] = deque(maxlen=120)
        self._thread = threading.Thread(target=self._run, name="view", daemon=True)
        self._thread.start()

    def request(self, settings: ViewSettings) -> None:
        """Shows these settings from now on."""
        with self._event:
            self._settings, self._version = settings, self._version + 1
            self._changed_at = time.monotonic()
            self._event.notify()

    def close(self) -> None:
        """Ends the thread, in the middle of a drawing if need be."""
        with self._event:
            self._is_closed, self._version = True, self._version + 1
            self._event.notify()
        self._thread.join()

    def coarse_resolution(self, settings: ViewSettings) -> int:
        """Side of a picture drawn within MOVING_SECONDS, at the speed measured so far."""
        num = 2 if settings.compare else 1
        side = math.sqrt(self._rays_per_second * MOVING_SECONDS / num)
        return int(min(full_resolution(settings), max(SMALLEST, side // STEP * STEP)))

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
                version, settings = self._version, self._settings
            coarse, full = self.coarse_resolution(settings), full_resolution(settings)
            is_refined = version == drawn
            resolution = full if is_refined else coarse
            if self._draw(settings, resolution, version, is_refined):
                drawn, is_full = version, resolution == full

    def _draw(
        self, settings: ViewSettings, resolution: int, version: int, is_refined: bool
    ) -> bool:
        """True unless the settings have changed meanwhile; then nothing was shown.

        The first picture of settings is finished whatever moves, since it would never be otherwise.
        """

        def is_stale() -> bool:
            return self._is_closed or (is_refined and self._version != version)

        is_full = resolution == full_resolution(settings)
        try:
            subjects = self._find(settings)
            tile = math.sqrt(self._rays_per_second * TILE_SECONDS) // STEP * STEP
            with self._lock:
                picture = draw(
                    subjects, settings, resolution, is_stale, int(min(max(tile, SMALLEST), TILE))
                )
            if self._is_closed:
                return False
            self._measure(picture)
            self._display.show(picture, is_full, self._per_second())
            if is_full and settings.drift:
                with self._lock:
                    drift = measure_drift(subjects[0], settings, is_stale)
                self._display.show_drift(drift)
        except DrawingInterruptedError:
            return False
        except Exception as error:  # whatever it is, the page goes on
            if not isinstance(error, ValueError):
                traceback.print_exc(file=sys.stderr)
            self._display.show_error(str(error) or type(error).__name__)
        return True

    def _measure(self, picture: Picture) -> None:
        if picture.num_rays:
            speed = 1000 * picture.num_rays / max(picture.timings["rays"], 0.1)
            self._rays_per_second += SMOOTHING * (speed - self._rays_per_second)

    def _per_second(self) -> float:
        now = time.monotonic()
        self._shown_at.append(now)
        recent = [at for at in self._shown_at if at > now - 1]
        return (len(recent) - 1) / (now - recent[0]) if len(recent) > 1 else 0.0


def full_resolution(settings: ViewSettings) -> int:
    """Side of a square at rest, pixels."""
    return min(settings.resolution, EPI_RESOLUTION if settings.panel == "epi" else 2**30)
