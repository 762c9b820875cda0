"""The server: a session and controls for every client, cameras by the mouse, files to save."""

import math
import secrets
import threading
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import viser

from mimic3d.cameras import Scene, position_angles
from tools.view.access import AccessControl, guarded_server
from tools.view.controls import Controls
from tools.view.drawing import GREYS, Picture, average_camera, draw, view_camera
from tools.view.saving import glb_bytes, measure_drift, mp4_bytes, png_bytes
from tools.view.session import Request, ViewSession, on_canvas
from tools.view.settings import ViewSettings, parse_query
from tools.view.snapshots import Collection
from tools.view.subject import Subject

UP = (0.0, 1.0, 0.0)
JPEG_MOVING, JPEG_REST = 60, 90
PLAY_SECONDS = 4.0  # from one object to the other
TICK_SECONDS, LIVE_SECONDS = 0.1, 2.0


@dataclass(eq=False)
class Client:
    """State of one open page."""

    handle: viser.ClientHandle
    session: ViewSession
    controls: Controls
    settings: ViewSettings
    played_from: float | None = None
    num_full: int = 0
    """Number of pictures at rest that it has got."""


class Viewer:
    """A running viewer; `url` opens it."""

    def __init__(self, snapshots: Collection, host: str, port: int) -> None:
        self._snapshots, self.clients = snapshots, dict[int, Client]()
        self._lock = threading.Lock()  # one drawing at a time: they share the cores
        self._is_closed = threading.Event()
        own = {host, "localhost"} if host in ("127.0.0.1", "::1") else {host}
        self.access = AccessControl(tuple(own))
        with guarded_server(self.access):
            self.server = viser.ViserServer(host=host, port=port, verbose=False)
        self.server.gui.configure_theme(
            control_layout="fixed", show_share_button=False, show_logo=False
        )
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
        self.server.stop()

    def _open(self, handle: viser.ClientHandle) -> None:
        connection = self.server._websock_server._live_connections.get(handle.client_id)
        query = self.access.queries.pop(connection, "") if connection else ""
        settings = parse_query(query)
        last = len(self._snapshots.entries) - 1
        settings = settings.model_copy(
            update={name: min(getattr(settings, name), last) for name in ("snapshot", "other")}
        )
        names = [entry.name for entry in self._snapshots.entries]
        num_ws = self._snapshots.subject(settings.snapshot).G.mapping.num_ws
        session = ViewSession(lambda picture, full: self._show(handle, picture, full), self._lock)
        controls = Controls(
            handle.gui, names, num_ws, settings, lambda change: self.change(client, change)
        )
        client = Client(handle, session, controls, settings)
        self.clients[handle.client_id] = client
        controls.step.on_click(lambda event: self._step_seed(client, event.target.value))
        controls.reset.on_click(lambda event: self._reset(client, event.target.value))
        controls.save.on_click(lambda event: self._save(client, event.target.value))
        controls.link.on_click(lambda _: self._show_link(client))
        self._place_camera(client)
        handle.camera.on_update(lambda _: self._moved(client))
        self._request(client)

    def _close(self, handle: viser.ClientHandle) -> None:
        client = self.clients.pop(handle.client_id, None)
        if client is not None:
            client.session.close()

    def change(self, client: Client, change: dict[str, Any]) -> None:
        """Sets some of a client's settings, and shows them."""
        client.settings = ViewSettings.model_validate(client.settings.model_dump() | change)
        if "fov_deg" in change:
            self._place_camera(client)
        self._request(client)

    def _step_seed(self, client: Client, step: str) -> None:
        seed = secrets.randbelow(10**6) if step == "random" else client.settings.seed + int(step)
        self.change(client, {"seed": max(0, seed)})
        client.controls.set(client.settings)

    def _subjects(self, settings: ViewSettings) -> tuple[Subject, ...]:
        places = [settings.snapshot] + [settings.other] * (settings.panel == "compare")
        return tuple(self._snapshots.subject(place) for place in places)

    def _request(self, client: Client) -> None:
        try:
            client.session.request(Request(client.settings, self._subjects(client.settings)))
        except ValueError as error:
            client.controls.info.content = f"**{error}**"

    def _scene(self, client: Client) -> Scene:
        return self._snapshots.subject(client.settings.snapshot).scene

    def _place_camera(self, client: Client) -> None:
        """Puts the client's camera where the settings say."""
        scene, settings = self._scene(client), client.settings
        camera = view_camera(settings, scene, torch.device("cpu"))
        focal = float(camera.intrinsics[0, 0, 0])
        with client.handle.atomic():
            client.handle.camera.up_direction = UP
            client.handle.camera.position = camera.centers[0].numpy().astype(float)
            client.handle.camera.look_at = np.array(scene.pivot)
            client.handle.camera.fov = 2 * math.atan(0.5 / focal)

    def _moved(self, client: Client) -> None:
        """Takes over where the mouse has put the camera."""
        scene = self._scene(client)
        offset = np.asarray(client.handle.camera.position) - np.array(scene.orbit_center)
        distance = float(np.linalg.norm(offset))
        if distance < 1e-6:
            return
        yaw = math.atan2(offset[0], offset[2])
        pitch = math.asin(float(np.clip(offset[1] / distance, -0.997, 0.997)))
        pivot_distance = np.linalg.norm(
            np.asarray(client.handle.camera.position) - np.array(scene.pivot)
        )
        change = {"yaw_rad": yaw, "pitch_rad": pitch,
                  "distance": float(np.clip(pivot_distance / scene.radius, 0.05, 10))}  # fmt: skip
        client.settings = client.settings.model_copy(update=change)
        self._request(client)

    def _reset(self, client: Client, where: str) -> None:
        change = {"yaw_rad": 0.0, "pitch_rad": 0.0, "distance": 1.0, "fov_deg": 0.0}
        if where == "average":
            subject = self._snapshots.subject(client.settings.snapshot)
            camera = average_camera(subject.average_label)
            yaw, pitch, _ = position_angles(camera, subject.scene.orbit_center)
            change |= {"yaw_rad": float(yaw), "pitch_rad": float(pitch)}
        self.change(client, change)
        client.controls.set(client.settings)
        self._place_camera(client)

    def _show(self, handle: viser.ClientHandle, picture: Picture, is_full: bool) -> None:
        client = self.clients.get(handle.client_id)
        if client is None:
            return
        grey = round((GREYS[client.settings.background] + 1) * 127.5)
        pixels = on_canvas(picture.pixels, handle.camera.aspect, grey)
        quality = JPEG_REST if is_full else JPEG_MOVING
        handle.scene.set_background_image(pixels, format="jpeg", jpeg_quality=quality)
        handle.flush()
        parts = picture.timings
        total = parts.mapping + parts.planes + parts.render
        client.controls.info.content = (
            f"**{1000 / max(total, 1e-3):.1f}** pictures/s at {picture.pixels.shape[0]} px: "
            f"mapping {parts.mapping:.0f} ms, planes {parts.planes:.0f} ms, "
            f"rendering {parts.render:.0f} ms"
        )
        client.num_full += is_full
        if is_full and client.controls.measure_drift.value:
            subject = self._snapshots.subject(client.settings.snapshot)
            with self._lock:
                drift = measure_drift(subject, client.settings)
            client.controls.drift.content = (
                f"picture changes by **{drift:.1f}** of 255 if the conditioning follows this view"
            )

    def _save(self, client: Client, kind: str) -> None:
        """Sends a file to the browser, which puts it where it puts downloads."""
        settings, subjects = client.settings, self._subjects(client.settings)
        name = f"seed{settings.seed:04d}"
        try:
            with self._lock:
                if kind == "PNG":
                    picture = draw(subjects, settings, settings.resolution)
                    data, name = png_bytes(picture.pixels), f"{name}.png"
                elif kind == "MP4":
                    data, name = mp4_bytes(subjects[0], settings), f"{name}.mp4"
                else:
                    data, name = glb_bytes(subjects[0], settings), f"{name}.glb"
        except ValueError as error:
            client.handle.add_notification("Nothing was saved", str(error), color="red")
            return
        client.handle.send_file_download(name, data)

    def _show_link(self, client: Client) -> None:
        settings = client.settings
        folder = self._snapshots.entries[settings.snapshot].folder
        query = settings.query()
        link = self.url + (f"&{query}" if query else "")
        command = settings.render_command(str(folder))
        also = command or "`mimic3d render` has no options for all that is set here."
        client.handle.add_notification("This view", f"{link}\n\n{also}", auto_close_seconds=None)

    def _tick(self) -> None:
        """Plays interpolations, and follows the newest snapshot where that is wanted."""
        newest = self._snapshots.newest()
        looked = time.monotonic()
        while not self._is_closed.wait(TICK_SECONDS):
            now = time.monotonic()
            is_new = False
            if now - looked > LIVE_SECONDS:
                looked, before = now, newest
                try:
                    newest = self._snapshots.newest()
                except OSError:  # one is being replaced at this moment
                    continue
                is_new = newest != before
            for client in list(self.clients.values()):
                if client.controls.live.value and is_new:
                    self.change(client, {"snapshot": newest[0]})
                    client.controls.set(client.settings)
                self._play(client, now)

    def _play(self, client: Client, now: float) -> None:
        if not client.controls.play.value:
            client.played_from = None
            return
        if client.played_from is None:
            client.played_from = now
        phase = (now - client.played_from) / PLAY_SECONDS
        self.change(client, {"blend": (1 - math.cos(math.pi * phase)) / 2})
        client.controls.set(client.settings)
