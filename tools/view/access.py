"""Access control: a secret of this start, pages of this server only, loopback by default.

viser itself listens on all interfaces unless told not to, knows no password, and takes WebSockets
from pages of any origin, so that any page open in the same browser could drive the viewer. Every
request passes here first.
"""

import hmac
import http
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.cookies import CookieError, SimpleCookie
from unittest.mock import patch
from urllib.parse import parse_qs, urlsplit

from websockets import Headers
from websockets.asyncio import server as websocket_server
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

TOKEN = "token"
Handler = Callable[[ServerConnection, Request], Response | None]


class AccessControl:
    """The token of one viewer, and the decision about each request."""

    def __init__(self, hosts: tuple[str, ...]) -> None:
        self.token = secrets.token_urlsafe(24)
        self._hosts = frozenset(hosts)
        self._cookie = f"mimic3d-view-{secrets.token_hex(4)}"  # cookies do not know ports
        self.queries: dict[ServerConnection, str] = {}
        """The query that the page of a WebSocket was opened with, from its cookie."""

    def refusal(self, request: Request) -> str | None:
        """Reason that a request is refused; None if it may pass."""
        host = urlsplit(f"//{request.headers.get('Host', '')}").hostname
        if host not in self._hosts:
            return "this viewer answers under its own address only"
        origin = request.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != request.headers.get("Host"):
            return "pages of other origins cannot use this viewer"
        if not self._knows_token(request):
            return "open the address that `mimic3d view` printed, with its token"
        return None

    def guard(self, handler: Handler) -> Handler:
        """A handler of requests that answers only those that may pass."""

        def guarded(connection: ServerConnection, request: Request) -> Response | None:
            reason = self.refusal(request)
            if reason is not None:
                body = f"{reason}\n".encode()
                headers = Headers(
                    **{"Content-Type": "text/plain", "Content-Length": str(len(body))}
                )
                return Response(http.HTTPStatus.FORBIDDEN, "Forbidden", headers, body)
            response = handler(connection, request)
            query = urlsplit(request.path).query
            if response is None:
                self.queries[connection] = self._cookies(request).get("query", "")
            elif TOKEN in parse_qs(query):
                for name, value in ((self._cookie, self.token), ("query", query)):
                    cookie = f"{name}={value}; Path=/; HttpOnly; SameSite=Strict"
                    response.headers["Set-Cookie"] = cookie
            if response is not None:
                response.headers["Cache-Control"] = "no-store"
                response.headers["Referrer-Policy"] = "no-referrer"
                response.headers["X-Frame-Options"] = "DENY"
            return response

        return guarded

    def _knows_token(self, request: Request) -> bool:
        given = parse_qs(urlsplit(request.path).query).get(TOKEN, [""])[0]
        known = (given, self._cookies(request).get(self._cookie, ""))
        return any(hmac.compare_digest(text.encode(), self.token.encode()) for text in known)

    @staticmethod
    def _cookies(request: Request) -> dict[str, str]:
        try:
            cookies = SimpleCookie("; ".join(request.headers.get_all("Cookie")))
        except CookieError:
            return {}
        return {name: morsel.value for name, morsel in cookies.items()}


@contextmanager
def guarded_server(access: AccessControl) -> Iterator[None]:
    """Servers that viser starts within this block are guarded."""
    serve = websocket_server.serve

    def serve_guarded(*args: object, process_request: Handler, **options: object) -> object:
        return serve(*args, process_request=access.guard(process_request), **options)  # type: ignore

    with patch.object(websocket_server, "serve", serve_guarded):
        yield
