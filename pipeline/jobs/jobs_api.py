"""The jobs API of a Ray, one request at a time, without importing Ray."""

import http.client
import json
import socket
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pipeline.cluster import Address

SECONDS = 5.0

Job = dict[str, Any]
"""Job as in Ray's JobDetails: submission_id, status, metadata, start_time and end_time (ms), ..."""


def find_token(environ: Mapping[str, str]) -> str | None:
    """The token for a Ray, from where Ray itself looks: RAY_AUTH_TOKEN, its file, the home."""
    if token := environ.get("RAY_AUTH_TOKEN"):
        return token.strip()
    home = Path(environ.get("HOME", "~")).expanduser() / ".ray" / "auth_token"
    path = Path(environ.get("RAY_AUTH_TOKEN_PATH") or home)
    return path.read_text().strip() if path.is_file() else None


def list_jobs(address: Address, token: str | None) -> list[Job]:
    """All jobs that this Ray knows of.

    Raises:
        ConnectionError: nobody answers, or it wants another token.
    """
    return _ask(address, token, "GET", "/api/jobs/")


def stop_job(address: Address, token: str | None, job: str) -> bool:
    """Asks a job to stop; True if it ran.

    Raises:
        ConnectionError: nobody answers, it wants another token, or it does not know the job.
    """
    return bool(_ask(address, token, "POST", f"/api/jobs/{job}/stop")["stopped"])


def is_listening(address: Address) -> bool:
    """True if anybody takes connections at an address; a slow one does, a dead one does not."""
    place = urlsplit(address.url)
    try:
        socket.create_connection((place.hostname or "", place.port or 80), SECONDS).close()
    except ConnectionRefusedError:
        return False
    except OSError:
        pass
    return True


def _ask(address: Address, token: str | None, method: str, path: str) -> Any:
    url = address.url.rstrip("/") + path
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(url, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        if error.code in (401, 403):
            raise ConnectionError(
                f"Ray at {address.url} refuses the token; set RAY_AUTH_TOKEN_PATH to a file with "
                f"that of the cluster"
            ) from error
        raise ConnectionError(f"Ray at {address.url} answers {error}") from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise ConnectionError(f"no Ray answers at {address.url} ({address.source})") from error
