"""A TCP proxy on loopback that misbehaves on demand: late, silent, closed or reset.

It runs an event loop of its own in a thread of its own, so the same calls serve tests with and without asyncio.
Every call returns once it is in force. Bytes of one direction keep their order whatever is done to the link: each
direction is one queue with one writer.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Literal, Self

from edge.http.server import stop_accepting

Way = Literal["up", "down"]
Held = asyncio.Queue[tuple[float, bytes]]

_CHUNK_BYTES = 65_536
# Chunks held per direction, by delay or stall; then the sender feels it in its own socket, as on a real link.
_CHUNKS_HELD = 64
_CALL_SECONDS = 5.0
# SO_LINGER on, for 0 s: close() sends RST instead of FIN (socket(7)).
_LINGER_ZERO = struct.pack("ii", 1, 0)


class Proxy:
    """Context manager: forwards 127.0.0.1:`port` to 127.0.0.1:`target_port`.

    bytes_forwarded: by direction, "up" to the server and "down" to the client.  connections: accepted so far.
    """

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._server: asyncio.Server | None = None
        self._links: dict[asyncio.Task[None], list[asyncio.StreamWriter]] = {}
        self._flowing = asyncio.Event()
        self._delay_seconds = 0.0
        self.port = 0
        self.bytes_forwarded: Counter[Way] = Counter()
        self.connections = 0

    def __enter__(self) -> Self:
        self._thread.start()
        self._call(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_CALL_SECONDS)
        self._loop.close()

    def delay(self, seconds: float) -> None:
        """Hold what comes in from now on for `seconds`, in each direction: a round trip takes twice that."""
        self._call(self._set(seconds, flowing=self._flowing.is_set()))

    def stall(self) -> None:
        """Forward nothing more and leave all sockets open; new connections are accepted and stalled too."""
        self._call(self._set(self._delay_seconds, flowing=False))

    def restore(self) -> None:
        """End stall and delay; what is held goes first, delayed bytes still at their hour."""
        self._call(self._set(0.0, flowing=True))

    def cut(self) -> None:
        """Close both ends of every open connection (FIN). What is held is lost. New connections are served."""
        self._call(self._drop(_close))

    def reset(self) -> None:
        """Reset both ends of every open connection (RST). What is held is lost. New connections are served."""
        self._call(self._drop(_reset))

    def _call(self, work: Coroutine[object, object, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(_CALL_SECONDS)

    async def _open(self) -> None:
        self._flowing.set()
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        assert self._server is not None
        await stop_accepting(self._server.sockets)
        self._server.close()
        await self._drop(_reset)
        await self._server.wait_closed()

    async def _set(self, delay_seconds: float, *, flowing: bool) -> None:
        self._delay_seconds = delay_seconds
        if flowing:
            self._flowing.set()
        else:
            self._flowing.clear()

    async def _drop(self, end: Callable[[asyncio.StreamWriter], None]) -> None:
        links = dict(self._links)
        for task, writers in links.items():
            task.cancel()
            for writer in writers:
                end(writer)
        await asyncio.gather(*links, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        writers = [writer]
        task = self._loop.create_task(self._serve(reader, writers))
        self._links[task] = writers
        task.add_done_callback(self._links.pop)

    async def _serve(self, reader: asyncio.StreamReader, writers: list[asyncio.StreamWriter]) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
            writers.append(far_writer)
            async with asyncio.TaskGroup() as tasks:
                self._start_pipe(tasks, reader, far_writer, "up")
                self._start_pipe(tasks, far_reader, writers[0], "down")
        except* OSError:
            for each in writers:
                _reset(each)
        finally:
            await _closed(writers)

    def _start_pipe(
        self, tasks: asyncio.TaskGroup, source: asyncio.StreamReader, sink: asyncio.StreamWriter, way: Way
    ) -> None:
        held: Held = asyncio.Queue(_CHUNKS_HELD)
        tasks.create_task(self._fetch(source, held))
        tasks.create_task(self._deliver(held, sink, way))

    async def _fetch(self, source: asyncio.StreamReader, held: Held) -> None:
        """Queue each chunk with the loop time at which it is due; an empty one is the end of the stream."""
        chunk = b"-"
        while chunk:
            chunk = await source.read(_CHUNK_BYTES)
            await held.put((self._loop.time() + self._delay_seconds, chunk))

    async def _deliver(self, held: Held, sink: asyncio.StreamWriter, way: Way) -> None:
        while True:
            due, chunk = await held.get()
            await asyncio.sleep(due - self._loop.time())
            await self._flowing.wait()
            if not chunk:
                sink.write_eof()
                return
            self.bytes_forwarded[way] += len(chunk)
            sink.write(chunk)
            await sink.drain()


def _close(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


def _reset(writer: asyncio.StreamWriter) -> None:
    raw = writer.get_extra_info("socket")
    if raw is not None and raw.fileno() >= 0:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
    writer.transport.abort()


async def _closed(writers: list[asyncio.StreamWriter]) -> None:
    for writer in writers:
        writer.close()
    for writer in writers:
        with contextlib.suppress(OSError):
            await writer.wait_closed()
