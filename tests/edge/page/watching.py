"""Viewers of the page: a hub whose status a test sets, served on a real port, and readers of its stream."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Self

from fastapi import FastAPI

from edge.control.journal import Journal
from edge.http.connection_limits import Limits
from edge.http.routes import served
from edge.http.server import Server
from edge.page.figures.context import PageContext
from edge.page.hub import Hub
from edge.page.routes import add_page
from edge.settings.options import Options
from edge.status import PlantFileStatus
from edge.status_source import StatusSource

Event = tuple[str, Any]
"""The name of a server-sent event, and its data."""


def context_of(source: StatusSource, **changes: Any) -> PageContext:
    """What the page needs of a process that a test has made up."""
    known: dict[str, Any] = {
        "source": source,
        "journal": Journal(lambda: 1_767_600_000.0),
        "options": Options(),
        "plant_file": lambda: PlantFileStatus(None, "it was read from a pipe"),
        "version": "0.1.0",
        "start_ms": 1_767_600_000_000,
        "uptime_seconds": lambda: 1.5,
        "wall_clock": lambda: 1_767_600_120.0,
        "clock": time.monotonic,
        "patience_seconds": 90.0,
    }
    return PageContext(**{**known, **changes})


def with_page(app: FastAPI, source: StatusSource) -> FastAPI:
    """The application with the calls of the page; nothing is looked at by itself."""
    add_page(app, Hub(context_of(source)), source)
    return app


class Serving:
    """An application with the page on a port of its own, in a thread. A context manager."""

    def __init__(
        self,
        source: StatusSource,
        limits: Limits = Limits(),  # noqa: B008 - fixed
        wrap: Callable[[FastAPI], FastAPI] = lambda app: app,
        **changes: Any,
    ) -> None:
        self.hub = Hub(context_of(source, **changes))
        app = wrap(FastAPI(telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False}))
        add_page(app, self.hub, source)
        self._server = Server(served(app), "127.0.0.1", 0, limits=limits)
        self.port, self.url = self._server.port, self._server.url
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self._loop: asyncio.AbstractEventLoop | None = None

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        looking = asyncio.create_task(self.hub.run())
        await self._server.run()
        looking.cancel()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> float:
        """End as the process does; return how long that took, in seconds."""
        began = time.monotonic()
        if self._loop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self.hub.close)
            self._loop.call_soon_threadsafe(self._server.stop)
            self._thread.join(10)
        return time.monotonic() - began


class Viewer:
    """Reads a stream over a plain socket. buffer_bytes: the most that its kernel takes before it reads."""

    def __init__(self, port: int, query: str = "", buffer_bytes: int | None = None) -> None:
        self.socket = socket.socket()
        if buffer_bytes is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
        self.socket.settimeout(10)
        self.socket.connect(("127.0.0.1", port))
        self.socket.sendall(f"GET /api/v1/stream{query} HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n".encode())
        self._file = self.socket.makefile("rb")
        self.head = b"".join(iter(self._file.readline, b"\r\n")).decode()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.closing(self.socket):
            self._file.close()

    def events(self) -> Iterator[Event]:
        """Each event as it comes, comments as `:`, until the stream ends."""
        text = b""
        while size := int(self._file.readline().strip() or b"0", 16):
            text += self._file.read(size)
            self._file.readline()
            *blocks, text = text.split(b"\n\n")
            yield from filter(None, map(_event, blocks))

    def first(self, name: str) -> Any:
        """The data of the next event of a name."""
        return next(data for each, data in self.events() if each == name)

    def until(self, name: str, accepts: Callable[[Any], bool]) -> Any:
        """The data of the next event of a name that is as it should be."""
        return next(data for each, data in self.events() if each == name and accepts(data))


def _event(block: bytes) -> Event | None:
    if block.startswith(b":"):
        return ":", None
    fields = dict(line.split(b": ", 1) for line in block.split(b"\n"))
    return (fields[b"event"].decode(), json.loads(fields[b"data"])) if b"event" in fields else None
