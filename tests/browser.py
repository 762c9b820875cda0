"""A headless Chromium, driven over its debugging protocol; no driver program, no other package."""

import base64
import contextlib
import json
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

START_SECONDS = 120
FLAGS = (
    "--headless=new", "--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-quic", "--window-size=1300,700",
    "--remote-debugging-port=0", "--remote-allow-origins=*",
)  # fmt: skip


def find_chromium() -> str | None:
    """The browser's program, if there is one."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next((path for name in names if (path := shutil.which(name))), None)


class Page:
    """One tab."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket, self._number = socket, 0
        self.requests: list[str] = []
        """Addresses that the page has asked for."""
        self.call("Page.enable")
        self.call("Network.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """The result of a command of the protocol."""
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": params}))
        while True:
            message = json.loads(self._socket.recv(timeout=START_SECONDS))
            if message.get("method") == "Network.requestWillBeSent":
                self.requests.append(message["params"]["request"]["url"])
            if message.get("method") == "Network.webSocketCreated":
                self.requests.append(message["params"]["url"])
            if message.get("id") == self._number:
                assert "error" not in message, message
                return message.get("result", {})

    def open(self, url: str) -> None:
        """Goes to an address."""
        self.call("Page.navigate", url=url)

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        return result["result"].get("value")

    def drag(self, start: tuple[int, int], end: tuple[int, int], steps: int = 8) -> None:
        """Moves the mouse with its left button down."""
        mouse = {"button": "left", "buttons": 1, "clickCount": 1}
        self.call("Input.dispatchMouseEvent", type="mousePressed", x=start[0], y=start[1], **mouse)
        for step in range(1, steps + 1):
            x, y = (a + (b - a) * step / steps for a, b in zip(start, end, strict=True))
            self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y, **mouse)
        self.call("Input.dispatchMouseEvent", type="mouseReleased", x=end[0], y=end[1], **mouse)

    def click(self, text: str) -> None:
        """Clicks the middle of the first element whose whole text this is."""
        self._press(_elements("*", text))

    def choose(self, label: str, option: str) -> None:
        """Chooses an option of the selection beside a label."""
        labels = _elements("label", label)
        self._press(f"{labels}.map(e => document.getElementById(e.htmlFor))")
        deadline = time.monotonic() + START_SECONDS
        options = _elements("[role=option]", option)
        while not self.evaluate(f"{options}.length"):
            assert time.monotonic() < deadline, f"there is no option {option}"
            time.sleep(0.05)
        self._press(options)

    def _press(self, elements: str) -> None:
        """Clicks the last of some elements, the innermost one."""
        box = f"{elements}.at(-1).getBoundingClientRect()"
        self.evaluate(f"{elements}.at(-1).scrollIntoView({{block: 'center'}})")
        point = self.evaluate(f"(b => ({{x: b.x + b.width / 2, y: b.y + b.height / 2}}))({box})")
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **point)

    def screenshot(self) -> bytes:
        """What a person sees, as PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])


def _elements(selector: str, text: str) -> str:
    """Expression for the elements whose whole text this is."""
    return f"[...document.querySelectorAll('{selector}')].filter(e => e.textContent === {text!r})"


@contextlib.contextmanager
def headless_browser() -> Iterator[Callable[[], Page]]:
    """A browser with a profile of its own; gives a function that opens a tab."""
    program = find_chromium()
    assert program, "no chromium"
    profiles = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)  # its processes write on
    with profiles as profile, contextlib.ExitStack() as sockets:
        process = subprocess.Popen(
            [program, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            port = _wait_for_port(Path(profile, "DevToolsActivePort"), process)

            def new_page() -> Page:
                request = urllib.request.Request(f"http://127.0.0.1:{port}/json/new", method="PUT")
                target = json.load(urllib.request.urlopen(request))
                address = target["webSocketDebuggerUrl"]
                return Page(sockets.enter_context(connect(address, max_size=None)))

            yield new_page
        finally:
            process.terminate()
            process.wait(20)


def _wait_for_port(file: Path, process: "subprocess.Popen[bytes]") -> int:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, "the browser ended at its start"
        with contextlib.suppress(OSError, ValueError, IndexError):
            return int(file.read_text().splitlines()[0])
        time.sleep(0.05)
    raise TimeoutError("the browser did not start")
