"""The server: a session and controls for every page, cameras by the mouse, files to save."""

import asyncio
import math
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import viser

from tools.view.access import AccessControl, guarded_server
from tools.view.cameras import average_angles, camera_settings, view_camera
from tools.view.controls import Controls
from tools.view.drawing import GREYS, Picture, on_canvas
from tools.view.session import ViewSession
from tools.view.settings import ViewSettings, parse_query
from tools.view.snapshots import Collection
from tools.view.subject import Subject

UP = (0.0, 1.0, 0.0)
JPEG_MOVING, JPEG_REST = 75, 95
PLAY_SECONDS = 4.0  # from one object to the other
TICK_SECONDS, LIVE_SECONDS = 0.04, 2.0
CAMERA = ("yaw_rad", "pitch_rad", "distance", "shift", "fov_deg", "image")
FRONT = {name: getattr(ViewSettings(), name) for name in CAMERA}
LABELS = {"mapping": "mapping", "planes": "planes", "rays": "3D branch", "2D branch": "2D branch"}


class Client:
    """One open page: its settings, and what it shows."""

    def __init__(
        self, viewer: "Viewer", handle: viser.ClientHandle, settings: ViewSettings
    ) -> None:
        """Builds the panel and draws the first picture."""
        self._viewer, self.handle, self.settings = viewer, handle, settings
        self.num_full = 0
        """Number of pictures at rest that it has got."""
        self._played_from: float | None = None
        self._placed: tuple[float, ...] = ()
        names, counts = viewer.choices(settings)
        self.controls = Controls(
            handle.gui, settings, names, counts, self.change, self._protected(self._press)
        )
        self.session = ViewSession(self, viewer.subjects, viewer.drawing)
        self._protected(self.place_camera)()
        handle.camera.on_update(self._moved)
        self.session.request(settings)

    def change(self, change: dict[str, Any]) -> None:
        """Sets some of the settings, and shows them."""
        self.settings = ViewSettings.model_validate(self.settings.model_dump() | change)
        self.controls.show(self.settings)
        if "snapshot" in change:
            self.controls.offer(*self._viewer.choices(self.settings))
        if change.keys() & set(CAMERA):
            self._protected(self.place_camera)()
        self.session.request(self.settings)

    def place_camera(self) -> None:
        """Puts the page's camera where the settings say."""
        subject = self._viewer.subject(self.settings)
        camera = view_camera(self.settings, subject)
        center, forward = camera.centers[0].double(), camera.cam2world[0, :3, 2].double()
        pivot = np.array(subject.G.scene.pivot) + self.settings.shift
        reach = float(np.linalg.norm(center.cpu().numpy() - pivot))
        look_at = (center + reach * forward).cpu().numpy()
        with self.handle.atomic():
            self.handle.camera.up_direction = UP
            self.handle.camera.position = center.cpu().numpy()
            self.handle.camera.look_at = look_at
            self.handle.camera.fov = 2 * math.atan(0.5 / float(camera.intrinsics[0, 0, 0]))
        self._placed = (*center.tolist(), *look_at.tolist())

    def show(self, picture: Picture, is_full: bool, per_second: float) -> None:
        """Shows a picture; so many of them were shown in the last second."""
        begun = time.perf_counter()
        grey = GREYS[self.settings.background]
        pixels = on_canvas(picture.pixels, self.handle.camera.aspect, grey)
        quality = JPEG_REST if is_full else JPEG_MOVING
        self.handle.scene.set_background_image(pixels, format="jpeg", jpeg_quality=quality)
        self.handle.flush()
        parts = {name: picture.timings[part] for part, name in LABELS.items()}
        parts["JPEG"] = 1000 * (time.perf_counter() - begun)
        took = ", ".join(f"{name} {ms:.0f} ms" for name, ms in parts.items() if ms >= 0.5)
        subject = self._viewer.subject(self.settings)
        speed = f", **{per_second:.0f}** pictures/s" if not is_full and per_second else ""
        self.controls.info.content = (
            f"{subject.description}. **{picture.side}** px{speed}: {took} "
            f"({subject.G.backend.name})"
        )
        self.num_full += is_full

    def show_drift(self, drift: float) -> None:
        """Shows how much the picture changes if the conditioning follows the view."""
        self.controls.drift.content = (
            f"picture changes by **{drift:.1f}** of 255 if the conditioning follows this view"
        )

    def show_error(self, sentence: str) -> None:
        """Shows why there is no picture."""
        self.controls.info.content = f"**{sentence}**"

    def play(self, now: float) -> None:
        """Goes on with the interpolation, if it plays."""
        if not self.settings.play:
            self._played_from = None
            return
        if self._played_from is None:
            self._played_from = (
                now - PLAY_SECONDS * math.acos(1 - 2 * self.settings.blend) / math.pi
            )
        phase = (now - self._played_from) / PLAY_SECONDS
        self.change({"blend": round((1 - math.cos(math.pi * phase)) / 2, 3)})

    async def _moved(self, camera: viser.CameraHandle) -> None:
        """Takes over where the mouse has put the camera."""
        (x, y, z), (u, v, w) = camera.position.tolist(), camera.look_at.tolist()
        if self._placed and np.allclose((x, y, z, u, v, w), self._placed, atol=1e-4):
            return  # where the settings have put it
        self._placed = ()
        scene = self._viewer.snapshots.entry(self.settings.snapshot).meta.scene
        change = camera_settings((x, y, z), (u, v, w), scene)
        settings = self.settings.model_copy(update=change)
        if settings != self.settings:
            self.settings = settings
            self.controls.show(settings)
            self.session.request(settings)

    def _press(self, button: str) -> None:
        seed = self.settings.seed
        match button:
            case "-1" | "+1":
                self.change({"seed": max(0, seed + int(button))})
            case "random":
                self.change({"seed": secrets.randbelow(10**6)})
            case "front":
                self.change(FRONT)
            case "average":
                self.change(FRONT | average_angles(self._viewer.subject(self.settings)))
            case "link and command":
                link, command = self._viewer.describe(self.settings)
                self.controls.saved.content = f"```\n{link}\n```\n```\n{command}\n```"
            case _:
                self._save(button)

    def _save(self, kind: str) -> None:
        """Sends a file to the browser, which puts it where it puts downloads."""
        from tools.view.saving import make_file  # only here: it needs what pictures do not

        note = self.handle.add_notification("Saving", f"{kind} is being made", loading=True)
        try:
            name, content = make_file(kind, self._viewer.subjects(self.settings), self.settings)
        finally:
            note.remove()
        self.handle.send_file_download(name, content)

    def _protected(self, call: Callable[..., None]) -> Callable[..., None]:
        """The call, whose error is shown as a sentence."""

        def protected(*arguments: Any) -> None:
            try:
                call(*arguments)
            except ValueError as error:
                self.handle.add_notification("This cannot be done", str(error), color="red")

        return protected


class Viewer:
    """A running viewer; `url` opens it."""

    def __init__(self, snapshots: Collection, host: str, port: int) -> None:
        self.snapshots, self.clients = snapshots, dict[int, Client]()
        self.drawing = threading.Lock()
        """Turns of the sessions: they share the cores."""
        self._is_closed = threading.Event()
        own = {host, "localhost"} if host in ("127.0.0.1", "::1") else {host}
        self.access = AccessControl(tuple(own))
        with guarded_server(self.access), _quiet():
            self.server = viser.ViserServer(host=host, port=port, verbose=False)
        self.server.gui.configure_theme(
            show_share_button=False, show_logo=False, control_width="large"
        )
        self.server.gui.main_panel.dock_right()
        self.server.gui.set_panel_label("Mimic3D")
        self.server.scene.set_up_direction(UP)
        self.url = f"http://{host}:{self.server.get_port()}/?token={self.access.token}"
        self.server.on_client_connect(self._open)
        self.server.on_client_disconnect(self._close)
        self._ticker = threading.Thread(target=self._tick, name="view-ticker", daemon=True)
        self._ticker.start()

    @property
    def num_clients(self) -> int:
        """Open pages."""
        return len(self.clients)

    def close(self) -> None:
        """Ends the server and all sessions."""
        self._is_closed.set()
        self._ticker.join()
        for client in list(self.clients.values()):
            client.session.close()
        with _quiet():
            self.server.stop()

    def subject(self, settings: ViewSettings) -> Subject:
        """The generator of the settings.

        Raises:
            ValueError: it cannot be read.
        """
        return self.snapshots.subject(settings.snapshot)

    def subjects(self, settings: ViewSettings) -> tuple[Subject, ...]:
        """The generators of the settings, one or two.

        Raises:
            ValueError: one cannot be read.
        """
        other = (self.snapshots.subject(settings.compare),) if settings.compare else ()
        return (self.subject(settings), *other)

    def choices(self, settings: ViewSettings) -> tuple[dict[str, tuple[str, ...]], dict[str, int]]:
        """Names to choose from, and ends of whole numbers."""
        names = tuple(self.snapshots.entries)
        num_ws = self.subject(settings).G.mapping.num_ws
        counts = {name: num_ws for name in ("cutoff", "mix_from", "mix_to")}
        return {"snapshot": names, "compare": ("", *names)}, counts

    def describe(self, settings: ViewSettings) -> tuple[str, str]:
        """The settings as a link, and as the command that draws the same picture."""
        query, entry = settings.query(), self.snapshots.entry
        other: Path | None = entry(settings.compare).path if settings.compare else None
        command = settings.render_command(entry(settings.snapshot).path, other)
        return self.url + (f"&{query}" if query else ""), command

    def _open(self, handle: viser.ClientHandle) -> None:
        connection = self.server._websock_server._live_connections.get(handle.client_id)
        query = self.access.queries.pop(connection, "") if connection else ""
        settings = self._named(parse_query(query))
        self.clients[handle.client_id] = Client(self, handle, settings)

    def _named(self, settings: ViewSettings) -> ViewSettings:
        """Settings that name snapshots of the list only."""
        entries = self.snapshots.entries
        compare = settings.compare if settings.compare in entries else ""
        snapshot = settings.snapshot if settings.snapshot in entries else next(iter(entries))
        return settings.model_copy(update={"snapshot": snapshot, "compare": compare})

    def _close(self, handle: viser.ClientHandle) -> None:
        client = self.clients.pop(handle.client_id, None)
        if client is not None:
            client.session.close()

    def _tick(self) -> None:
        """Plays interpolations, and follows the newest snapshot where that is asked for."""
        loop, refreshed = self.server.get_event_loop(), time.monotonic()
        while not self._is_closed.wait(TICK_SECONDS):
            now, has_changed = time.monotonic(), False
            if now - refreshed > LIVE_SECONDS:
                has_changed, refreshed = self.snapshots.refresh(), now
            for client in list(self.clients.values()):
                asyncio.run_coroutine_threadsafe(self._go_on(client, now, has_changed), loop)

    async def _go_on(self, client: Client, now: float, has_changed: bool) -> None:
        client.play(now)
        if has_changed:
            client.controls.offer(*self.choices(client.settings))
        newest = self.snapshots.newest().name
        if client.settings.follow and (has_changed or client.settings.snapshot != newest):
            client.change({"snapshot": newest})


def _quiet() -> AbstractContextManager[object]:
    """Silence of viser, which prints its address without the token."""
    return patch("rich.print")
