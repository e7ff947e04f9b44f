"""Viewers over plain sockets, in threads: those that read, and one that has stopped."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Final, Self
from urllib.parse import urlsplit

_PATIENCE_SECONDS: Final = 30.0
_PIECE_BYTES: Final = 256 * 1024
_STALLED_BYTES: Final = 4096


class Viewers:
    """So many viewers of a stream. received: the bytes that they were sent, all together.

    query: of the address of the stream.  stalled: they read nothing at all.
    """

    def __init__(self, url: str, count: int, query: str = "", *, stalled: bool = False) -> None:
        self.received = 0
        self._url, self._query, self._stalled = url, query, stalled
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._watch, daemon=True) for _ in range(count)]

    def _watch(self) -> None:
        while not self._ended.wait(0.1):
            with contextlib.suppress(OSError), contextlib.closing(self._connected()) as caller:
                if self._stalled:
                    self._read_nothing()
                else:
                    self._read(caller)

    def _connected(self) -> socket.socket:
        address = urlsplit(self._url)
        caller = socket.socket()
        if self._stalled:
            caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _STALLED_BYTES)
        caller.settimeout(_PATIENCE_SECONDS)
        caller.connect((address.hostname or "", address.port or 80))
        caller.sendall(f"GET /api/v1/stream{self._query} HTTP/1.1\r\nHost: {address.netloc}\r\n\r\n".encode())
        return caller

    def _read(self, caller: socket.socket) -> None:
        caller.settimeout(0.5)
        while not self._ended.is_set():
            with contextlib.suppress(TimeoutError):
                some = caller.recv(_PIECE_BYTES)
                if not some:
                    return
                self.received += len(some)

    def _read_nothing(self) -> None:
        """Read nothing, also when the connection is closed: who does not read does not see that."""
        self._ended.wait()

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()
