import http

import pytest
from websockets import Headers
from websockets.http11 import Request, Response

from tools.view.access import AccessControl

HOST = "127.0.0.1:8080"


def serve_page(connection, request):
    if request.headers.get("Upgrade") == "websocket":
        return None
    return Response(http.HTTPStatus.OK, "OK", Headers(), b"page")


@pytest.fixture
def access():
    return AccessControl(("127.0.0.1", "localhost"))


def ask(access, path="/", **headers):
    fields = {"Host": HOST} | {name.replace("_", "-"): text for name, text in headers.items()}
    request = Request(path, Headers(fields))
    return access.guard(serve_page)(object(), request)


def cookies(response):
    return "; ".join(each.split(";")[0] for each in response.headers.get_all("Set-Cookie"))


def test_without_the_token_nothing_is_served(access):
    for path in ("/", "/index.html", "/?token=guessed", "/?token="):
        assert ask(access, path).status_code == 403
        assert ask(access, path, Upgrade="websocket").status_code == 403
    assert ask(access, "/", Cookie="mimic3d-view-x=1; token=2").status_code == 403


def test_the_page_hands_a_cookie_that_opens_the_websocket(access):
    page = ask(access, f"/?token={access.token}&seed=7")
    assert page.status_code == 200
    for cookie in page.headers.get_all("Set-Cookie"):
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
    assert ask(access, "/", Upgrade="websocket", Cookie=cookies(page)) is None
    assert next(iter(access.queries.values())) == f"token={access.token}&seed=7"


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:9999", "http://localhost:8080"]
)
def test_a_page_of_another_origin_is_refused_even_with_the_cookie(access, origin):
    cookie = cookies(ask(access, f"/?token={access.token}"))
    ours = ask(access, "/", Upgrade="websocket", Cookie=cookie, Origin=f"http://{HOST}")
    assert ours is None
    refused = ask(access, "/", Upgrade="websocket", Cookie=cookie, Origin=origin)
    assert refused.status_code == 403


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8080", "", "127.0.0.1.evil.example"]
)
def test_another_name_for_this_address_is_refused(access, host):
    """A name that resolves to loopback (DNS rebinding) gets nothing."""
    assert ask(access, f"/?token={access.token}", Host=host).status_code == 403


def test_every_start_has_its_own_token():
    first, second = AccessControl(("127.0.0.1",)), AccessControl(("127.0.0.1",))
    assert first.token != second.token
    assert len(first.token) >= 32
    assert ask(second, f"/?token={first.token}").status_code == 403
