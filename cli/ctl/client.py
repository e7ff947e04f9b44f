"""A client of a simulator's control API: one call at a time, safe to repeat."""

from __future__ import annotations

import ipaddress
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from typing import Final
from urllib.parse import urlsplit
from uuid import uuid4

import orjson

from edge.redaction import shown, without_credentials

_SECONDS: Final = 30.0
_TRIES, _AGAIN_SECONDS = 4, 0.2
_MOST_BYTES: Final = 256 * 2**20


class NoAnswer(Exception):
    """The simulator does not answer, or something else does; the text says why."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What was answered: the status code, the content, and the same as JSON where it is."""

    status: int
    content: bytes
    document: object = None

    @property
    def ok(self) -> bool:
        """Whether it was done."""
        return 200 <= self.status < 300


class Client:
    """Calls the API below an address. token: the bearer token, if there is one.  sleep: waits for seconds.

    timeout_seconds: how long an answer may take.  elsewhere: how to name another address, for errors.
    Raises NoAnswer where the address is none.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        sleep: Callable[[float], None] = time.sleep,
        timeout_seconds: float = _SECONDS,
        elsewhere: str = "--url",
    ) -> None:
        self.url, self._token, self._sleep = url.rstrip("/"), token, sleep
        self._timeout_seconds, self._elsewhere = timeout_seconds, elsewhere
        if not _is_address(url):
            raise NoAnswer(f"{shown(url)} is no address of a simulator, such as http://127.0.0.1:8080")
        # A proxy for the Internet has no business with this machine; and a token does not follow a redirect elsewhere.
        proxies = [urllib.request.ProxyHandler({})] if _is_this_machine(url) else []
        self._opener = urllib.request.build_opener(*proxies, _NoRedirect())

    @property
    def shown_url(self) -> str:
        """The address for people, without a password in it."""
        return without_credentials(self.url)

    def call(self, method: str, path: str, body: bytes | None = None, content_type: str = "application/json") -> Reply:
        """Call, and return the answer; raises NoAnswer.

        A changing call has a key, by which the simulator answers a repeated one without doing it again: so it is
        repeated where the connection broke, or the simulator is busy.
        """
        headers = {"Accept": "application/json, application/yaml"}
        if method != "GET":
            headers["Idempotency-Key"] = str(uuid4())
        if body is not None:
            headers["Content-Type"] = content_type
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}"
        return self._with_retries(urllib.request.Request(self.url + path, body, headers, method=method))  # noqa: S310

    def first_event(self, path: str) -> object:
        """Return the JSON of the first event of a stream (WHATWG HTML, 9.2), and end it; None where there is none."""
        request = urllib.request.Request(self.url + path, headers={"Accept": "text/event-stream"})  # noqa: S310
        try:
            with self._opener.open(request, timeout=self._timeout_seconds) as answer:
                lines = iter(lambda: answer.readline(_MOST_BYTES), b"")
                data = next((line for line in lines if line.startswith(b"data:")), b"")
            return orjson.loads(data.removeprefix(b"data:"))
        except (OSError, HTTPException, orjson.JSONDecodeError):
            return None

    def _with_retries(self, request: urllib.request.Request) -> Reply:
        for left in reversed(range(_TRIES)):
            try:
                reply, wait_seconds = self._once(request)
            except (ConnectionResetError, BrokenPipeError, HTTPException) as error:
                if not left:
                    raise NoAnswer(f"{self.shown_url} broke the connection: {error}") from None
                wait_seconds = _AGAIN_SECONDS
            except OSError as error:
                raise NoAnswer(f"{self.shown_url} does not answer: {self._why(error)}") from None
            else:
                if wait_seconds is None or not left:
                    return reply
            self._sleep(wait_seconds)
        raise AssertionError  # the last try returns or raises

    def _once(self, request: urllib.request.Request) -> tuple[Reply, float | None]:
        """Return the answer, and after how many seconds to try again, if the simulator says so."""
        try:
            with self._opener.open(request, timeout=self._timeout_seconds) as answer:
                return _reply(answer.status, answer.read(_MOST_BYTES)), None
        except urllib.error.HTTPError as error:
            with error:
                after = error.headers.get("Retry-After", "")
                waits = error.code == 503 and after.isdecimal()
                return _reply(error.code, error.read(_MOST_BYTES)), min(float(after), 10.0) if waits else None
        except urllib.error.URLError as error:
            raise error.reason if isinstance(error.reason, Exception) else error from None

    def _why(self, error: OSError) -> str:
        if isinstance(error, ConnectionRefusedError):
            known = "nothing listens there; is the simulator running, with HTTP_PORT?"
            return f"{known} {self._elsewhere} names another address"
        return "no answer in time" if isinstance(error, TimeoutError) else error.strerror or str(error)


def default_url(environ: Mapping[str, str]) -> str:
    """Return the address of the simulator that the variables of this process describe, as in a pod."""
    host = environ.get("HTTP_HOST", "").strip() or "127.0.0.1"
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    port = environ.get("HTTP_PORT", "").strip() or "8080"
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


def _reply(status: int, content: bytes) -> Reply:
    try:
        return Reply(status, content, orjson.loads(content))
    except orjson.JSONDecodeError:
        return Reply(status, content)


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port, (parts.hostname or "").encode("idna")
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and url.isprintable() and " " not in url


def _is_this_machine(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def problem_lines(reply: Reply) -> list[str]:
    """Return what was wrong, a line each, from problem details (RFC 9457) or from whatever else was answered."""
    document = reply.document
    if not isinstance(document, Mapping):
        text = reply.content.decode(errors="replace").strip().splitlines()
        return [f"HTTP {reply.status}: {text[0][:200] if text else 'no reason given'}"]
    detail = document.get("detail", f"HTTP {reply.status}")
    errors = document.get("errors")
    lines = [_error_line(each) for each in errors] if isinstance(errors, list) else []
    return lines if lines and len(lines) > 1 else [str(detail)]


def _error_line(error: object) -> str:
    if not isinstance(error, Mapping):
        return str(error)
    place = str(error.get("pointer") or error.get("parameter") or "")
    return f"{place}: {error.get('detail', '')}" if place else str(error.get("detail", error))
