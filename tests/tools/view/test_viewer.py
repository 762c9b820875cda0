"""The viewer in a real browser, and what happens when pages come and go."""

import io
import time
import urllib.error
import urllib.request
from collections.abc import Callable

import numpy as np
import pytest
from browser import find_chromium, headless_browser
from PIL import Image
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

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


def shown(page) -> np.ndarray:
    """The left part of the window, beside the controls."""
    image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    return np.asarray(image.crop((0, 150, 600, image.height))).astype(int)


@needs_browser
def test_dragging_controls_and_pages_in_a_browser(viewer):
    with headless_browser() as new_page:
        page = new_page()
        page.open(viewer.url + "&seed=3&resolution=64")
        client = only_client(viewer)
        assert client.settings.seed == 3
        wait_for(lambda: client.num_full == 1)
        wait_for(lambda: len(np.unique(shown(page))) > 20)  # it has arrived
        first, yaw = shown(page), client.settings.yaw_rad
        page.drag((200, 300), (330, 300))
        wait_for(lambda: client.settings.yaw_rad != yaw)
        wait_for(lambda: np.abs(shown(page) - first).mean() > 1)
        before = client.num_full
        viewer.change(client, {"panel": "depth", "seed": 5})
        wait_for(lambda: client.num_full > before)

        other = new_page()
        other.open(viewer.url)
        wait_for(lambda: viewer.num_clients == 2)
        assert client.settings.seed == 5
        other.call("Page.close")
        wait_for(lambda: viewer.num_clients == 1)
        inside = (viewer.url.partition("?")[0], "ws://127.0.0.1:", "data:", "blob:")
        outside = [url for url in page.requests if not url.startswith(inside)]
        assert outside == []


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


def test_a_newer_snapshot_takes_the_place_of_the_old_one(collection, write_snapshot):
    place = next(i for i, each in enumerate(collection.entries) if each.name.startswith("first"))
    old = collection.subject(place)
    assert collection.subject(place) is old
    time.sleep(0.02)
    folder = collection.entries[place].folder
    for file in folder.iterdir():
        file.unlink()
    write_snapshot(folder, seed=9)
    assert collection.subject(place) is not old
    assert collection.newest()[0] == place
