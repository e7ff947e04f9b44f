"""Pages of other origins: a browser may call for those that are named, and for no other."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from edge.http.asgi import CrossOrigin
from edge.settings.loader import Settings, SettingsError
from tests.edge.http.test_routes import Shown, served_of

OWN, OTHER = "https://app.example.com", "https://app.example.com.evil.org"


def answer(method: str, path: str, origin: str | None, **headers: str) -> httpx.Response:
    """The answer to a browser on a page of an origin."""
    sent = {**headers, **({"Origin": origin} if origin else {})}

    async def ask() -> httpx.Response:
        app: Any = CrossOrigin(served_of(Shown()), [OWN])
        transport = httpx.ASGITransport(app, client=("127.0.0.1", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.request(method, path, headers=sent)

    return asyncio.run(ask())


def preflight(path: str, origin: str, method: str) -> httpx.Response:
    """The answer to what a browser asks before it calls."""
    asked = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": "authorization"}
    return answer("OPTIONS", path, origin, **asked)


def permissions(found: httpx.Response) -> dict[str, str]:
    """What an answer permits a browser."""
    return {name: value for name, value in found.headers.items() if name.startswith("access-control-")}


@pytest.mark.parametrize(
    ("path", "method", "methods"),
    [
        ("/api/v1/commands", "POST", "OPTIONS, POST"),
        ("/api/v1/plant", "PUT", "GET, HEAD, OPTIONS, PUT"),
        ("/api/v1/machines/CNC-01", "GET", "GET, HEAD, OPTIONS"),
        ("/oee", "GET", "GET, HEAD, OPTIONS"),
    ],
)
def test_a_browser_is_told_what_a_page_may_call(path: str, method: str, methods: str) -> None:
    """Methods and headers, and nothing of credentials."""
    found = preflight(path, OWN, method)

    assert (found.status_code, found.headers["vary"]) == (204, "Origin")
    assert permissions(found) == {
        "access-control-allow-origin": OWN,
        "access-control-allow-methods": methods,
        "access-control-allow-headers": "Authorization, Content-Type, Idempotency-Key, traceparent, tracestate",
        "access-control-max-age": "600",
    }


@pytest.mark.parametrize("origin", [OTHER, "null", "https://app.example.com:8443", "http://app.example.com", "*"])
def test_no_other_origin_is_permitted_anything(origin: str) -> None:
    """An origin counts as a whole."""
    found = [preflight("/api/v1/commands", origin, "POST"), answer("GET", "/api/v1/machines", origin)]

    assert [permissions(each) for each in found] == [{}, {}]
    assert {each.headers["vary"] for each in found} == {"Origin"}


def test_a_page_may_read_answers_and_some_of_their_headers() -> None:
    """Problems as well; never with a browser's credentials."""
    found = [answer("GET", path, OWN) for path in ("/api/v1/machines", "/api/v1/nothing", "/livez")]

    for each in found:
        assert permissions(each) == {
            "access-control-allow-origin": OWN,
            "access-control-expose-headers": "Allow, Idempotency-Replayed, Link, Retry-After",
        }


def test_who_is_no_page_is_answered_as_before() -> None:
    """But for a header that tells caches."""
    assert permissions(answer("GET", "/livez", None)) == {}


def settings(text: str) -> Settings:
    """The settings with these origins."""
    return Settings.load({"HTTP_CORS_ORIGINS": text}, pid=1)


def test_origins_are_taken_as_browsers_send_them() -> None:
    """In lower case, without the usual port, each once."""
    text = "https://App.example.com/, http://localhost:3000,https://app.example.com:443,http://[::1]:80"

    assert settings(text).cors_origins == (OWN, "http://localhost:3000", "http://[::1]")
    assert settings("").cors_origins == ()


@pytest.mark.parametrize(
    "text", ["*", "https://*.example.com", "null", "app.example.com", f"{OWN}/page", f"{OWN},,", "ftp://x"]
)
def test_what_is_no_origin_is_refused(text: str) -> None:
    """Above all the one for all pages."""
    with pytest.raises(SettingsError, match=r"HTTP_CORS_ORIGINS: must be origins of web pages .*; \* is not taken"):
        settings(text)
