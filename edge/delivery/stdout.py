"""Messages as JSON lines on a stream, in place of a broker: the same outbox, the same ledger."""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
from bisect import bisect_right
from collections.abc import Callable, Collection, Sequence
from functools import partial
from io import FileIO
from itertools import accumulate
from typing import Final

import orjson

from edge.blocking import run_aside
from edge.delivery.queue import MessageQueue
from edge.routing import TRIGGER, TopicError
from edge.status import ConnectionStatus
from plant.telemetry import Message

_MOST_A_WRITE: Final = 2000


class ReaderGone(Exception):
    """Whoever read standard output has seen enough. That is no error."""


class StdoutFailed(Exception):
    """Standard output takes no more; the text says why."""


class StdoutWriter:
    """Writes every message as `{"topic":...,"qos":...,"retain":...,"payload":{...}}`; written is acknowledged.

    An extra row for a finished job has `"user_properties":{"trigger":"job"}` before its payload, as it has on the wire.
    A reader that is slow holds the plant back, if the outbox does so too when it is full; but not the process: a write
    that blocks does so in a thread of its own.
    stream: unbuffered, so that what was written has left the process.
    """

    def __init__(
        self,
        outbox: MessageQueue,
        topic: Callable[[Message], str],
        qos: int,
        stream: FileIO,
        retained: Collection[str] = (),
    ) -> None:
        self._outbox, self._topic, self._stream = outbox, topic, stream
        self._qos, self._retained = qos, retained
        self._lines_wait, self._idle = asyncio.Event(), asyncio.Event()
        self._writing: Sequence[Message] = ()
        self._stopping = False
        self._idle.set()
        # Only what has a reader can block for long; a thread for each write would make a file a third slower.
        self._may_block = not stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
        outbox.on_message = self._wake

    def facts(self) -> ConnectionStatus:
        """Always ready, without any client."""
        return ConnectionStatus(connected=True, last_reason="dry run", clients=0)

    async def run(self) -> None:
        """Write what comes until `stop`; ReaderGone or StdoutFailed where that cannot go on."""
        while not self._stopping:
            await self._lines_wait.wait()
            self._lines_wait.clear()
            while len(self._outbox):
                await self._write(self._outbox.take(min(len(self._outbox), _MOST_A_WRITE)))
            self._idle.set()

    async def drain(self, seconds: float) -> bool:
        """Wait up to `seconds` until all is written; say whether it is."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        return not len(self._outbox) and not self._writing

    async def stop(self) -> None:
        """Let `run` end."""
        self._stopping = True
        self._lines_wait.set()

    def abandon(self, reason: str) -> None:
        """Count what could not be written, be it only a part of it."""
        for message in self._writing:
            self._outbox.discard(message, reason)
        self._writing = ()
        self._outbox.drop_all(reason)

    def _wake(self) -> None:
        self._idle.clear()
        self._lines_wait.set()

    async def _write(self, messages: Sequence[Message]) -> None:
        self._writing = messages
        lines = [*map(self._line, messages)]
        write = partial(_write_all, self._stream, b"".join(lines))
        written, error = await run_aside(write) if self._may_block else write()
        whole = bisect_right([*accumulate(map(len, lines))], written)
        self._outbox.acknowledged(*messages[:whole])
        self._writing = ()
        if error is not None:
            self._idle.set()  # nobody need wait for what cannot be written
            self._outbox.put_back(*messages[whole:])
            if isinstance(error, BrokenPipeError):
                raise ReaderGone("the reader of standard output has gone")
            raise StdoutFailed(f"cannot write to standard output: {error.strerror}")

    def _line(self, message: Message) -> bytes:
        try:
            topic = orjson.dumps(self._topic(message))
        except TopicError:
            topic = b"null"
        retain = b"true" if message.kind in self._retained else b"false"
        properties = b'"user_properties":%b,' % orjson.dumps({TRIGGER: message.trigger}) if message.trigger else b""
        return b'{"topic":%b,"qos":%d,"retain":%b,%b"payload":%b}\n' % (
            topic,
            self._qos,
            retain,
            properties,
            message.payload,
        )


def _write_all(stream: FileIO, data: bytes) -> tuple[int, OSError | None]:
    """Write as much as goes: how many bytes that were, and what stopped it."""
    left = memoryview(data)
    try:
        while left:
            left = left[stream.write(left) or 0 :]
    except OSError as error:
        return len(data) - len(left), error
    return len(data), None
