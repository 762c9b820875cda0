"""Weight files that others publish, by path or URL: downloaded, checked, read without pickles."""

import hashlib
import re
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from typing import Annotated
from urllib.parse import unquote, urlsplit
from urllib.request import urlopen

import torch
from filelock import FileLock
from pydantic import Field
from safetensors.torch import load_file
from torch import Tensor

from mimic3d.atomic import atomic_file
from mimic3d.content_hash import content_hash, text_hash

SCHEMES = ("https", "http", "file")
MAX_BYTES = 2**32  # 4 GiB; VGG16, the largest file asked for, has 0.5
TIMEOUT_S = 60  # without a single byte
CHUNK = 2**20  # bytes

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{8,64}$")]
"""SHA-256 of a file, or a published beginning of it: 8 to 64 hexadecimal digits."""


def fetch(
    source: str, sha256: Sha256 | None, cache: Path, key: str = "the parameter that names it"
) -> Path:
    """The weight file at a path or URL; a URL is downloaded into `cache` once.

    The file must have the given SHA-256. Where none is known, that of the download is written
    beside it (<file>.sha256, as `sha256sum` writes it), to be copied into the parameters, and later
    calls insist on it. Any number of processes may call this at once. `key` is the full name of the
    parameter that `source` comes from.

    Raises:
        ValueError: the file cannot be had or is another one; says where to put it.
    """
    scheme = urlsplit(source).scheme.lower()
    if "://" not in source:
        path = Path(source)
        if not path.is_file():
            raise ValueError(
                f"{key} must be a URL or the path of a weight file, there is no file {source}; "
                f"put it there or give its path"
            )
        if sha256:
            _check(content_hash(path), sha256, source, path, key)
        return path
    if scheme not in SCHEMES:
        known = ", ".join(SCHEMES)
        raise ValueError(f"{key} must be a path or a URL of {known}, is {source}; change it")
    path = _cached_path(source, cache)
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f"{path.name}.lock")):
        if path.is_file():
            actual = content_hash(path)
            _check(actual, sha256 or _recorded(path) or actual, str(path), path, key)
        else:
            actual = _download(source, sha256, path, key)
        _record(path, actual)
    return path


def load_state_dict_file(path: Path) -> dict[str, Tensor]:
    """Tensors by name, on the CPU, of a .safetensors file or one that torch.save wrote.

    Raises:
        ValueError: the file is damaged or holds anything else; nothing in it is run.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # a damaged file can fail in any way
        raise ValueError(
            f"{path} must be a state dict that torch.save or safetensors wrote, whole and without "
            f"code, is not ({type(error).__name__}); get it again from a source you trust"
        ) from error
    if not isinstance(loaded, dict) or not all(isinstance(v, Tensor) for v in loaded.values()):
        raise ValueError(
            f"{path} must hold tensors by name, holds {type(loaded).__name__}; give the file of a "
            f"state dict"
        )
    return {str(name): tensor.detach() for name, tensor in loaded.items()}


def _cached_path(url: str, cache: Path) -> Path:
    """Path of a URL's file: a short hash of the whole URL, and its file name."""
    name = re.sub(r"[^\w.-]", "_", PurePosixPath(unquote(urlsplit(url).path)).name) or "weights"
    return cache / f"{text_hash(url)[:8]}-{name}"


def _download(url: str, sha256: Sha256 | None, path: Path, key: str) -> str:
    """Write the file and return its SHA-256; a failure leaves nothing."""
    for remains in path.parent.glob(f".part-*-{path.name}"):  # of a killed process
        remains.unlink()
    digest = hashlib.sha256()
    with atomic_file(path) as tmp, tmp.open("wb") as file:
        try:
            for chunk in _chunks(url):
                digest.update(chunk)
                file.write(chunk)
        except _UnavailableError as error:
            raise ValueError(
                f"{url} could not be downloaded ({error}); put the file at {path.absolute()}, or "
                f"set {key} to the path of a copy"
            ) from error
        actual = digest.hexdigest()
        _check(actual, sha256 or actual, url, path, key)
    return actual


class _UnavailableError(Exception):
    """No file from a URL, for the reason in its text."""


def _chunks(url: str) -> Iterator[bytes]:
    try:
        with urlopen(url, timeout=TIMEOUT_S) as answer:
            size, received = answer.headers.get("Content-Length"), 0
            while chunk := answer.read(CHUNK):
                received += len(chunk)
                if received > MAX_BYTES:
                    raise OSError(f"it has more than {MAX_BYTES} bytes")
                yield chunk
            if size is not None and received != int(size):
                raise OSError(f"the connection ended after {received} of {size} bytes")
    except (OSError, HTTPException, ValueError) as error:
        raise _UnavailableError(str(error) or type(error).__name__) from error


def _check(actual: str, expected: Sha256, source: str, path: Path, key: str) -> None:
    assert re.fullmatch("[0-9a-f]{8,64}", expected), expected
    if not actual.startswith(expected):
        raise ValueError(
            f"the SHA-256 of {source} must begin with {expected}, is {actual}; put the right file "
            f"at {path.absolute()}, or set {key} and its SHA-256 to those of the file you want"
        )


def _sidecar(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _recorded(path: Path) -> str | None:
    sidecar = _sidecar(path)
    return sidecar.read_text().split()[0] if sidecar.is_file() else None


def _record(path: Path, sha256: str) -> None:
    if _recorded(path) != sha256:
        with atomic_file(_sidecar(path)) as tmp:
            tmp.write_text(f"{sha256}  {path.name}\n")
