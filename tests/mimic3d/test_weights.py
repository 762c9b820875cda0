import hashlib
import os
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from mimic3d import weights
from mimic3d.weights import fetch, load_state_dict_file

CONTENT = bytes(range(256)) * 64
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    requests = 0

    def do_GET(self):
        type(self).requests += 1
        missing, truncated = self.path.startswith("/missing"), self.path.startswith("/truncated")
        self.send_response(404 if missing else 200)
        self.send_header("Content-Length", "0" if missing else str(len(CONTENT)))
        self.end_headers()
        if not missing:
            self.wfile.write(CONTENT[:1000] if truncated else CONTENT)

    def log_message(self, format, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    handler = type("Counting", (Handler,), {"requests": 0})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield http
        http.shutdown()
        thread.join()


def url_of(server, path: str) -> str:
    return f"http://127.0.0.1:{server.server_port}/{path}"


def kept(cache: Path) -> list[str]:
    """Names of what lies in a cache, but for locks."""
    return sorted(path.name for path in cache.glob("*") if path.suffix != ".lock")


def test_a_url_is_downloaded_once_under_its_name(server, tmp_path):
    url = url_of(server, "models/net-1.pth?version=2")
    path = fetch(url, SHA256, tmp_path)
    assert path.read_bytes() == CONTENT
    assert path.name.endswith("-net-1.pth")
    assert fetch(url, SHA256[:8], tmp_path) == path
    assert server.RequestHandlerClass.requests == 1
    other = fetch(url_of(server, "models/net-1.pth"), None, tmp_path)
    assert other != path
    assert server.RequestHandlerClass.requests == 2


def test_a_file_url_works_like_any_other(tmp_path):
    (tmp_path / "net.pth").write_bytes(CONTENT)
    path = fetch((tmp_path / "net.pth").as_uri(), None, tmp_path / "cache")
    assert path.read_bytes() == CONTENT
    assert path.parent == tmp_path / "cache"


def test_an_unknown_checksum_is_computed_and_kept_to(server, tmp_path):
    url = url_of(server, "net.pth")
    path = fetch(url, None, tmp_path)
    sidecar = path.with_name(f"{path.name}.sha256")
    assert sidecar.read_text() == f"{SHA256}  {path.name}\n"
    path.write_bytes(CONTENT[1:])
    with pytest.raises(ValueError, match=rf"must begin with {SHA256}, is "):
        fetch(url, None, tmp_path)


def test_a_file_put_into_the_cache_by_hand_is_taken(tmp_path):
    url = (tmp_path / "net.pth").as_uri()
    with pytest.raises(
        ValueError, match=r"could not be downloaded .*net\.pth.*or set a\.b"
    ) as info:
        fetch(url, None, tmp_path / "cache", "a.b")
    place = Path(str(info.value).split("put the file at ")[1].split(", or")[0])
    assert place.is_absolute()
    place.write_bytes(CONTENT)
    assert fetch(url, SHA256, tmp_path / "cache", "a.b") == place


@pytest.mark.parametrize(
    ("path", "reason"),
    [("missing.pth", "HTTP Error 404"), ("truncated.pth", f"after 1000 of {len(CONTENT)} bytes")],
)
def test_a_failed_download_leaves_nothing(server, tmp_path, path, reason):
    with pytest.raises(ValueError, match=rf"could not be downloaded \(.*{reason}"):
        fetch(url_of(server, path), None, tmp_path)
    assert kept(tmp_path) == []


def test_no_server_is_one_sentence(server, tmp_path):
    url = url_of(server, "net.pth")
    server.server_close()
    with pytest.raises(ValueError, match=r"could not be downloaded .*; put the file at .*, or set"):
        fetch(url, None, tmp_path)


def test_another_file_than_promised_is_not_kept(server, tmp_path):
    wanted = "0" * 64
    with pytest.raises(ValueError, match=rf"must begin with {wanted}, is {SHA256}; put the right"):
        fetch(url_of(server, "net.pth"), wanted, tmp_path, "a.b")
    assert kept(tmp_path) == []


def test_an_interrupted_download_leaves_nothing(server, tmp_path, monkeypatch):
    def interrupt(answer, size):
        raise KeyboardInterrupt

    monkeypatch.setattr("http.client.HTTPResponse.read", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fetch(url_of(server, "net.pth"), None, tmp_path)
    assert kept(tmp_path) == []


def test_remains_of_a_killed_process_are_cleared(server, tmp_path):
    path = fetch(url_of(server, "net.pth"), SHA256, tmp_path)
    path.rename(tmp_path / f".part-1-{path.name}")
    fetch(url_of(server, "net.pth"), SHA256, tmp_path)
    assert kept(tmp_path) == [path.name, f"{path.name}.sha256"]


def test_a_file_without_end_is_refused(server, tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "MAX_BYTES", len(CONTENT) - 1)
    with pytest.raises(ValueError, match=rf"it has more than {len(CONTENT) - 1} bytes"):
        fetch(url_of(server, "net.pth"), None, tmp_path)
    assert kept(tmp_path) == []


def test_many_callers_download_once(server, tmp_path):
    url = url_of(server, "net.pth")
    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(lambda _: fetch(url, SHA256, tmp_path), range(16)))
    assert {path.read_bytes() for path in paths} == {CONTENT}
    assert server.RequestHandlerClass.requests == 1


def test_a_path_is_checked_where_it_lies(tmp_path):
    path = tmp_path / "net.pth"
    with pytest.raises(ValueError, match=r"a\.b must be a URL or the path.*net\.pth; put it there"):
        fetch(str(path), None, tmp_path / "cache", "a.b")
    path.write_bytes(CONTENT)
    assert fetch(str(path), None, tmp_path / "cache") == path
    assert fetch(str(path), SHA256[:8], tmp_path / "cache") == path
    with pytest.raises(ValueError, match="must begin with 00000000"):
        fetch(str(path), "00000000", tmp_path / "cache", "a.b")
    with pytest.raises(ValueError, match="URL of https, http, file, is ftp"):
        fetch("ftp://host/net.pth", None, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


STATE = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.ones(2)}


@pytest.mark.parametrize("kind", ["zip", "legacy", "safetensors"])
def test_state_dicts_are_read(tmp_path, kind):
    path = tmp_path / ("net.safetensors" if kind == "safetensors" else "net.pth")
    if kind == "safetensors":
        save_file(STATE, path)
    else:
        torch.save(STATE, path, _use_new_zipfile_serialization=kind == "zip")
    found = load_state_dict_file(path)
    assert found.keys() == STATE.keys()
    assert all(found[name].equal(tensor) for name, tensor in STATE.items())


class Malice:
    def __init__(self, marker: Path):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


@pytest.mark.parametrize("kind", ["zip", "legacy", "pickle"])
def test_code_in_a_file_is_not_run(tmp_path, kind):
    path, marker = tmp_path / "net.pth", tmp_path / "owned"
    harmful = {"a.weight": torch.ones(2), "payload": Malice(marker)}
    if kind == "pickle":
        path.write_bytes(pickle.dumps(harmful, protocol=2))  # as torch.save
    else:
        torch.save(harmful, path, _use_new_zipfile_serialization=kind == "zip")
    with pytest.raises(ValueError, match=r"net\.pth must be a state dict .* without code, is not"):
        load_state_dict_file(path)
    assert not marker.exists()
    if kind == "pickle":
        pickle.loads(path.read_bytes())
        assert marker.exists()  # the payload itself works


@pytest.mark.parametrize("name", ["net.pth", "net.safetensors"])
def test_what_is_no_state_dict_is_refused(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(CONTENT)
    with pytest.raises(ValueError, match=rf"{name} must be a state dict"):
        load_state_dict_file(path)


def test_a_lone_tensor_is_refused(tmp_path):
    torch.save(torch.ones(2), tmp_path / "net.pth")
    with pytest.raises(ValueError, match="must hold tensors by name, holds Tensor"):
        load_state_dict_file(tmp_path / "net.pth")
