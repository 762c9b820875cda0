"""The viewer in a real browser, and what happens when pages come and go."""

import ast
import contextlib
import io
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from browser import find_chromium, headless_browser
from PIL import Image
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from mimic3d.cameras import orbit_cameras
from mimic3d.metrics.features import to_uint8
from tools.view.settings import ViewSettings
from tools.view.viewer import Viewer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
WAIT_SECONDS = 120
needs_browser = pytest.mark.skipif(
    find_chromium() is None, reason="no chromium (apt-get install chromium)"
)


@pytest.fixture
def viewer(collection):
    running = Viewer(collection, "127.0.0.1", 0)
    yield running
    running.close()


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def only_client(viewer: Viewer):
    wait_for(lambda: viewer.num_clients == 1)
    return next(iter(viewer.clients.values()))


def drawn(client) -> np.ndarray:
    """The picture that `G.render` makes of the client's settings, without the viewer."""
    settings, G = client.settings, client._viewer.subject(client.settings).G
    zero = torch.zeros(1)
    with torch.inference_mode():
        z = torch.randn((1, G.config.z_dim), generator=torch.Generator().manual_seed(settings.seed))
        ws = G.mapping(z, orbit_cameras(zero, zero, G.scene).labels(), settings.psi)
        camera = orbit_cameras(zero + settings.yaw_rad, zero + settings.pitch_rad, G.scene)
        image = G.render(ws, camera, "3d", settings.resolution).image
    return to_uint8(image)[0].permute(1, 2, 0).numpy().astype(int)


def visible(page, client) -> np.ndarray:
    """The picture in the window, at its own resolution."""
    camera, side = client.handle.camera, client.settings.resolution
    image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    width, height = camera.image_width, camera.image_height
    edge = min(width, height)
    left, top = (width - edge) // 2, (height - edge) // 2
    square = image.crop((left, top, left + edge, top + edge))
    return np.asarray(square.resize((side, side), Image.Resampling.BOX)).astype(int)


def is_drawn(page, client) -> bool:
    """True if the window shows what `G.render` makes, but for JPEG and viser's own notices."""
    difference = np.abs(visible(page, client) - drawn(client)).mean(axis=2)
    return bool(np.median(difference) < 6)


@needs_browser
def test_dragging_controls_and_pages_in_a_browser(viewer):
    with headless_browser() as new_page:
        page = new_page()
        page.open(viewer.url + "&seed=3&resolution=64")
        client = only_client(viewer)
        assert client.settings.seed == 3
        wait_for(lambda: client.num_full and is_drawn(page, client))

        yaw = client.settings.yaw_rad
        page.drag((300, 450), (330, 450))
        wait_for(lambda: client.settings.yaw_rad != yaw)
        wait_for(lambda: is_drawn(page, client))

        page.click("random")
        wait_for(lambda: client.settings.seed != 3)
        wait_for(lambda: is_drawn(page, client))

        before = visible(page, client)
        page.choose("panel", "depth")
        wait_for(lambda: client.settings.panel == "depth")
        wait_for(lambda: np.abs(visible(page, client) - before).mean() > 10)
        wait_for(lambda: not is_drawn(page, client))

        other = new_page()
        other.open(viewer.url)
        wait_for(lambda: viewer.num_clients == 2)
        second = next(each for each in viewer.clients.values() if each is not client)
        wait_for(lambda: second.num_full and second.settings.panel == "3d")
        seed = client.settings.seed
        second.change({"seed": seed + 1})
        assert client.settings.seed == seed
        session = second.session
        other.call("Page.close")
        wait_for(lambda: viewer.num_clients == 1)
        wait_for(lambda: not session._thread.is_alive())
        assert page.requests
        assert outside(page, viewer.url) == []


def outside(page, url: str) -> list[str]:
    """Addresses a page has asked for that are not the viewer's."""
    inside = (url.partition("?")[0], "ws://127.0.0.1:", "data:", "blob:")
    return [each for each in page.requests if not each.startswith(inside)]


OFFLINE = """
import fcntl, socket, struct, sys
from pathlib import Path
import torch
from browser import headless_browser
from tests_view import only_client, outside, wait_for
from tools.view.snapshots import Collection
from tools.view.viewer import Viewer

with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:  # loopback is down at first
    fcntl.ioctl(control, 0x8914, struct.pack("16sh", b"lo", 0x1 | 0x40))  # SIOCSIFFLAGS, up
viewer = Viewer(Collection([Path(sys.argv[1])], torch.device("cpu"), "torch"), "127.0.0.1", 0)
with headless_browser() as new_page:
    page = new_page()
    page.open(viewer.url + "&resolution=64")
    client = only_client(viewer)
    wait_for(lambda: client.num_full)
    page.evaluate("1")
    print("outside", outside(page, viewer.url))
viewer.close()
lines = Path("/proc/net/dev").read_text().splitlines()[2:]
print("interfaces", [(words[0], words[9]) for words in map(str.split, lines) if words[0] != "lo:"])
"""


@needs_browser
def test_it_works_in_a_network_namespace_without_network(collection, tmp_path):
    """There the machine has loopback only, so nothing that a picture needs comes from outside."""
    alone = ("unshare", "--map-root-user", "--net")
    if shutil.which("unshare") is None or subprocess.run([*alone, "true"]).returncode:
        pytest.skip("no network namespace may be made here")
    (tmp_path / "tests_view.py").symlink_to(Path(__file__))
    script = tmp_path / "offline.py"
    script.write_text(OFFLINE)
    root = Path(__file__).parents[3]
    path = os.pathsep.join(map(str, (root, root / "tests", tmp_path)))
    snapshot = collection.entry("runs/first").path
    result = subprocess.run(
        [*alone, sys.executable, str(script), str(snapshot)], capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": path}, timeout=300,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    outside_line, interfaces = result.stdout.splitlines()[-2:]
    assert outside_line == "outside []"
    sent = ast.literal_eval(interfaces.removeprefix("interfaces "))
    assert all(count == "0" for _, count in sent), sent  # such as an unused tunnel


def status(url: str) -> int:
    try:
        return urllib.request.urlopen(url, timeout=WAIT_SECONDS).status
    except urllib.error.HTTPError as error:
        return error.code


def test_only_the_token_opens_the_page_and_no_path_leaves_its_folder(viewer):
    base = viewer.url.partition("?")[0]
    token = viewer.url.partition("?")[2]
    assert status(viewer.url) == 200
    assert status(base) == 403
    paths = ("../../../../etc/passwd", "%2e%2e/%2e%2e/etc/passwd", "..%5c..%5cetc", "/etc/passwd")
    for path in paths:
        assert status(f"{base}{path}?{token}") in (403, 404)


def test_a_websocket_without_token_or_with_a_foreign_origin_is_refused(viewer):
    address = viewer.url.replace("http://", "ws://")
    for url, origin in ((address.partition("?")[0], None), (address, "http://evil.example")):
        with pytest.raises(Exception, match="403"):
            connect(url, origin=origin, subprotocols=["viser-v1.1.1"])
    assert viewer.num_clients == 0


def read_to_the_end(socket) -> None:
    while True:
        socket.recv(timeout=WAIT_SECONDS)


def test_a_malformed_message_ends_nothing_but_its_own_connection(viewer):
    import viser

    address = viewer.url.replace("http://", "ws://")
    with connect(address, subprotocols=[f"viser-v{viser.__version__}"]) as socket:
        socket.send(b"\x00 this is no message")
        with pytest.raises(ConnectionClosed):
            read_to_the_end(socket)
    assert status(viewer.url) == 200


def test_messages_of_wrong_types_end_nothing(viewer):
    import msgspec
    import viser

    address = viewer.url.replace("http://", "ws://")
    for message in (
        {"type": "GuiUpdateMessage", "uuid": "x", "updates": {"value": 1}},
        {"type": "GuiUpdateMessage", "uuid": 3},
        {"type": "ViewerCameraMessage", "position": "here"},
        {"type": "FileTransferStartUpload", "filename": "../../x", "size_bytes": 2**40},
        {"type": "NoMessage"}, [1, 2], None,
    ):  # fmt: skip
        with connect(address, subprotocols=[f"viser-v{viser.__version__}"]) as socket:
            socket.send(msgspec.msgpack.encode(message))
            with contextlib.suppress(ConnectionClosed, TimeoutError):
                while True:
                    socket.recv(timeout=0.3)
        assert status(viewer.url) == 200


def test_a_name_that_is_not_in_the_list_opens_no_file(viewer):
    assert viewer._named(ViewSettings(snapshot="/etc/passwd")).snapshot == "runs/first"
