"""Facts about `verify --truth URL`: whatever a server does, it ends with exit code 2 and one line, soon."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

import cli.verify.input.reference
from cli.verify.input.reference import InvalidInput, fetch_oee

Serve = Callable[[socket.socket], None]
OK = b"HTTP/1.1 200 OK\r\n"


@contextmanager
def server(serve: Serve) -> Iterator[str]:
    """The URL of a server that does this with each connection once it has read the request."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_accept, args=(listener, serve), daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/oee"
        listener.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket, serve: Serve) -> None:
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            with client, suppress(OSError):
                client.recv(4096)
                serve(client)


def answering(data: bytes) -> Serve:
    """Send these bytes, and close."""
    return lambda client: client.sendall(data)


def without_end(head: bytes, each: bytes, pause_seconds: float) -> Serve:
    """Send the same again and again."""

    def serve(client: socket.socket) -> None:
        client.sendall(head)
        while True:
            client.sendall(each)
            time.sleep(pause_seconds)

    return serve


def redirect(where: bytes) -> Serve:
    """Send the client elsewhere."""
    return answering(b"HTTP/1.1 302 Found\r\nLocation: " + where + b"\r\nContent-Length: 0\r\n\r\n")


@pytest.mark.parametrize(
    ("serve", "why"),
    [
        (answering(OK + b'Content-Length: 999\r\n\r\n{"span":"run"'), "the answer is cut off"),
        (answering(OK + b'Transfer-Encoding: chunked\r\n\r\n5\r\n{"a"'), "the answer is cut off"),
        (answering(b"\x00\xff" * 50), "the answer is not HTTP"),
        (answering(b"SSH-2.0-OpenSSH_9.2\r\n"), "the answer is not HTTP"),
        (answering(b""), "closed the connection without an answer"),
        (answering(OK + b"x" * 100_000), "header"),
        (answering(OK + b"Content-Length: 4\r\n\r\nnull"), "neither a ground truth file nor an answer of /oee"),
        (answering(OK + b"Content-Length: 1\r\n\r\n{"), "not JSON"),
        (answering(b"HTTP/1.1 401 \x1b[2J\r\nContent-Length: 0\r\n\r\n"), "HTTP 401 ?[2J"),
        (redirect(b"file:///etc/passwd"), "HTTP 302"),
        (redirect(b"ftp://127.0.0.1:1/oee"), "ftp"),
        (without_end(OK + b'\r\n{"a":"', b"x" * 65_536, 0), "more than 1 MiB: no answer of /oee"),
        (without_end(OK + b"\r\n", b" ", 0.05), "no whole answer within 0.5 s"),
        (without_end(OK, b"x", 0.05), "no whole answer within 0.5 s"),
        (without_end(b"", b"", 0.05), "the server sent nothing for 0.3 s"),
    ],
)
def test_a_server_that_is_none_is_named_in_one_line(serve: Serve, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its URL; time and size of an answer are bounded."""
    monkeypatch.setattr(cli.verify.input.reference, "_WHOLE_SECONDS", 0.5)
    monkeypatch.setattr(cli.verify.input.reference, "_SILENT_SECONDS", 0.3)
    monkeypatch.setattr(cli.verify.input.reference, "LONGEST_ANSWER", 2**20)
    before = time.monotonic()
    with server(serve) as url, pytest.raises(InvalidInput) as error:
        fetch_oee(url)

    assert url in str(error.value)
    assert why in str(error.value)
    assert str(error.value).isprintable()
    assert time.monotonic() - before < 10


@pytest.mark.parametrize(
    "url",
    [
        "http://factory:hunter2@127.0.0.1:1/oee",
        "http://hunter2@127.0.0.1:1/oee",
        "http://127.0.0.1:1/oee?access_token=hunter2",
        "http://factory:hunter2@[::1/oee",
        "http://factory:hunter2@host:port/oee",
    ],
)
def test_credentials_in_the_url_are_not_shown(url: str) -> None:
    """They are of no use either: /oee needs none."""
    with pytest.raises(InvalidInput) as error:
        fetch_oee(url)

    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize(
    "url", ["http://host:port/oee", "http://ho st/oee", "http:///oee", "http://127.0.0.1:99999/oee"]
)
def test_an_invalid_url_is_named(url: str) -> None:
    """It never raises anything other than InvalidInput."""
    with pytest.raises(InvalidInput, match=r"^cannot get http"):
        fetch_oee(url)
