"""Facts about what callers can take from the HTTP port: real sockets that say half, say odd things, or do not read."""

from __future__ import annotations

import contextlib
import re
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPResponse

import httpx
import pytest

from edge.http.connection_limits import Limits
from edge.status import OeeFigures
from tests.edge.http.test_routes import Shown, serving
from tests.support.processes.waiting import wait_until

FEW = Limits(connections=20, request_seconds=0.5, stalled_seconds=3.0, bytes_a_second=1024 * 1024)
HALF = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX: "
LARGE_BYTES = 20_000_000


class Large(Shown):
    """Has an answer that no socket's buffers hold."""

    def reset(self) -> None:
        super().reset()
        machine = ((0, 1), "CNC-01", bytes(50_000))
        self.figures = OeeFigures(0.0, 0.0, [machine] * (LARGE_BYTES // 50_000), more=False, types=())


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    """Of a server with limits that a test can reach."""
    with serving(Large(), limits=FEW) as client:
        yield client


def connected(client: httpx.Client, say: bytes = b"", read_bytes: int | None = None) -> socket.socket:
    """A connection over which something was said."""
    port = client.base_url.port
    assert port
    caller = socket.socket()
    if read_bytes is not None:
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, read_bytes)
    caller.settimeout(20)
    caller.connect(("127.0.0.1", port))
    caller.sendall(say)
    return caller


def is_closed(caller: socket.socket) -> bool:
    """Whether the server has closed it, seen without waiting."""
    caller.setblocking(False)
    try:
        return caller.recv(65536) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True
    finally:
        caller.settimeout(20)


def answers(client: httpx.Client, say: bytes) -> bytes:
    """All that comes until the server closes."""
    with closing(connected(client, say)) as caller:
        return b"".join(iter(lambda: caller.recv(65536), b""))


def status_of(client: httpx.Client, say: bytes) -> int:
    """The status of the one answer."""
    with closing(connected(client, say)) as caller, HTTPResponse(caller) as answer:
        answer.begin()
        return answer.status


def alive(client: httpx.Client) -> bool:
    """Whether a fresh probe gets its answer."""
    return httpx.get(client.base_url.join("/livez"), trust_env=False).status_code == 200


def test_probes_are_answered_however_many_say_only_half(client: httpx.Client) -> None:
    """Who has waited for longest gives way to who comes."""
    with contextlib.ExitStack() as stack:
        callers = [stack.enter_context(closing(connected(client, HALF))) for _ in range(5 * FEW.connections)]

        assert all(alive(client) for _ in range(3))
        wait_until(lambda: is_closed(callers[0]), 15, "the oldest gives way")


WHOLE = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
ENDLESS = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"


@pytest.mark.parametrize("said", [b"", HALF, WHOLE, ENDLESS], ids=["nothing", "half", "whole", "endless body"])
def test_a_request_has_to_be_there_in_time_however_slowly_it_drips(said: bytes, client: httpx.Client) -> None:
    """Neither the first bytes nor more of them, nor a body that never ends, give any longer than the limit."""
    with closing(connected(client, said)) as caller:
        began = time.monotonic()
        while not is_closed(caller):
            assert time.monotonic() - began < 60 * FEW.request_seconds
            with contextlib.suppress(ConnectionError):
                caller.sendall(b"x")
            time.sleep(0.05)


def test_who_does_not_read_an_answer_loses_it_and_who_reads_slowly_gets_it(client: httpx.Client) -> None:
    """Whoever keeps up the least speed has as long as that takes; memory for the others is given back."""
    ask = b"GET /oee HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with closing(connected(client, ask, 4096)) as idle, closing(connected(client, ask, 65536)) as slow:
        got = 0
        while some := slow.recv(256 * 1024):
            got += len(some)
            time.sleep(0.001)
        time.sleep(2 * FEW.stalled_seconds)
        with pytest.raises(ConnectionResetError):
            list(iter(lambda: idle.recv(256 * 1024), b""))

    assert got > LARGE_BYTES


def test_the_head_of_a_request_has_an_end(client: httpx.Client) -> None:
    """What has none after 32 KiB is refused, and not kept."""
    assert status_of(client, b"GET /livez HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 40_000) == 400


ODD = {
    "HTTP/0.9": (b"GET /livez\r\n\r\n", 400),
    "no such version": (b"GET /livez HTTP/9.9.9\r\n\r\n", 400),
    "no host": (b"GET /livez HTTP/1.1\r\n\r\n", 400),
    "two hosts": (b"GET /livez HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    "bytes of no protocol": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    "two lengths": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
    "no length": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
    "a coding that there is not": (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: zip\r\n\r\n", 400),
    "NUL in a path": (b"GET /livez%00 HTTP/1.1\r\nHost: x\r\n\r\n", 404),
    "a path that is no UTF-8": (b"GET /%ff%fe HTTP/1.1\r\nHost: x\r\n\r\n", 404),
    "a whole address": (b"GET http://x/livez HTTP/1.1\r\nHost: y\r\n\r\n", 200),
    "an address of another kind": (b"GET ftp://x/livez HTTP/1.1\r\nHost: y\r\n\r\n", 400),
    "a broken address": (b"GET http://[x/livez HTTP/1.1\r\nHost: y\r\n\r\n", 400),
    "a tunnel": (b"CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n", 400),
    "a star": (b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 204),
    "a star to get": (b"GET * HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "a method nobody knows": (b"BREW /livez HTTP/1.1\r\nHost: x\r\n\r\n", 405),
    "a method in small letters": (b"get /livez HTTP/1.1\r\nHost: x\r\n\r\n", 405),
    "a host that is none": (b"GET /livez/ HTTP/1.1\r\nHost: [x\r\n\r\n", 404),
    "an upgrade": (b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", 200),
    "an Accept of bytes": (b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: \xff;q=\xff, ;;,=;version\r\n\r\n", 200),
    "the same parameter twice": (b"GET /oee?span=run&span=year HTTP/1.1\r\nHost: x\r\n\r\n", 422),
    "a query of bytes": (b"GET /oee?machine_type=%ff%00&after=%00 HTTP/1.1\r\nHost: x\r\n\r\n", 200),
    "a token of bytes": (b"POST /-/reload HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer \xff\xfe\r\n\r\n", 200),
}  # fmt: skip


@pytest.mark.parametrize(("said", "status"), ODD.values(), ids=ODD)
def test_odd_requests_have_an_answer(
    said: bytes, status: int, client: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    """A status that says whose mistake it is, and not a word in the log: else a caller could fill it."""
    assert status_of(client, said) == status
    assert [record for record in caplog.records if record.name != "uvicorn.error"] == []


@pytest.mark.parametrize("version", ["abc", "9.9.9.9", "", "1.0.0;q=x", "0", ",", "-1", "1e400", "\u00b2"])
@pytest.mark.parametrize("kind", ["text/plain", "application/openmetrics-text"])
def test_metrics_are_given_whatever_form_is_asked_for(kind: str, version: str, client: httpx.Client) -> None:
    """Who asks for what there is not gets text."""
    answer = client.get("/metrics", headers={b"Accept": f"{kind};version={version}".encode("latin-1")})

    assert (answer.status_code, b"temperature_celsius 21.5" in answer.content) == (200, True)


def test_requests_in_one_go_are_answered_in_order(client: httpx.Client) -> None:
    """Pipelined, as RFC 9112, 9.3.2 has it."""
    said = b"".join(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path for path in (b"/livez", b"/nowhere", b"/readyz"))

    assert re.findall(rb"HTTP/1.1 (\d+)", answers(client, said)) == [b"200", b"404", b"200"]


def test_a_broken_body_of_an_answered_request_ends_the_connection_in_silence(
    client: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    """The answer has been given; there is nobody to tell."""
    with closing(connected(client, b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")) as caller:
        assert caller.recv(65536).startswith(b"HTTP/1.1 405 ")
        caller.sendall(b"no length\r\n\r\n")
        wait_until(lambda: is_closed(caller), 15, "closed")

    assert [record for record in caplog.records if record.name != "uvicorn.error"] == []


@pytest.mark.parametrize("path", [b"/livez", b"/oee"])
def test_rubbish_behind_a_request_ends_the_connection_in_silence(
    path: bytes, client: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    """There are no two answers at the same time, and it is no fault of ours."""
    answers(client, b"GET %s HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: x\r\n\r\nhello\x00\xff\r\n\r\n" % path)
    answers(client, b"POST %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n\r\n" % path)

    assert alive(client)
    assert [record for record in caplog.records if record.name != "uvicorn.error"] == []


PATHS = ["/", "/metrics", "/livez", "/readyz", "/healthz", "/oee", "/docs", "/redoc", "/openapi.json"]


@pytest.mark.parametrize("path", PATHS)
def test_head_answers_as_get_does_without_the_body(path: str, client: httpx.Client) -> None:
    """The same status, type and length: load balancers and monitors ask like that."""
    head, get = client.head(path), client.get(path)

    assert (head.status_code, head.content) == (get.status_code, b"") == (200, b"")
    for name in ("content-type", "content-length"):
        assert head.headers[name] == get.headers[name] or path in ("/metrics", "/healthz")


@pytest.mark.parametrize("path", [*PATHS, "/-/reload"])
def test_options_and_a_wrong_method_say_what_a_path_takes(path: str, client: httpx.Client) -> None:
    """Nothing is done, and no other site is let in."""
    options, wrong = client.options(path), client.delete(path)

    assert (options.status_code, options.content, wrong.status_code) == (204, b"", 405)
    expected = "OPTIONS, POST" if path == "/-/reload" else "GET, HEAD, OPTIONS"
    assert options.headers["allow"] == wrong.headers["allow"] == expected
    assert not [name for name in options.headers if name.startswith("access-control")]
