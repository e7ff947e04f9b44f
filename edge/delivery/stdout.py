"""Messages as JSON lines on standard output, in place of a broker, with the same queue and ledger."""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import partial
from io import FileIO
from itertools import accumulate
from typing import Final

import orjson

from edge.blocking import run_aside
from edge.delivery.queue import MessageQueue
from edge.routing import TRIGGER, KindOptions, TopicError
from edge.status import ConnectionStatus
from plant.telemetry import Message

_MOST_A_WRITE: Final = 2000


class ReaderGone(Exception):
    """The reader of standard output has closed it. That is not an error."""


class StdoutFailed(Exception):
    """Standard output cannot be written; the text says why."""


class StdoutWriter:
    """Writes every message as `{"topic":...,"qos":...,"retain":...,"payload":{...}}`; a written one is acknowledged.

    An additional message for a finished job has `"user_properties":{"trigger":"job"}` before its payload, as in MQTT.
    A slow reader delays the plant, if the queue's policy is to block, but not the process: a write that may block runs
    in a thread of its own.
    stream: unbuffered, so that written bytes have left the process.
    """

    def __init__(
        self,
        queue: MessageQueue,
        topic: Callable[[Message], str],
        qos: int,
        stream: FileIO,
        options: KindOptions,
    ) -> None:
        self._queue, self._topic, self._stream = queue, topic, stream
        self._qos, self._options = qos, options
        self._available, self._idle = asyncio.Event(), asyncio.Event()
        self._writing: Sequence[Message] = ()
        self._stopping = False
        self._idle.set()
        # Only a stream with a reader can block for long; a thread for each write makes writing a file a third slower.
        self._may_block = not stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
        queue.connect_consumer(self._wake)

    def facts(self) -> ConnectionStatus:
        """Return a status that is always ready, without any MQTT client."""
        return ConnectionStatus(connected=True, last_reason="dry run", clients=0)

    async def run(self) -> None:
        """Write messages until `stop`; raise ReaderGone or StdoutFailed where that is no longer possible."""
        while not self._stopping:
            await self._available.wait()
            self._available.clear()
            while len(self._queue):
                await self._write(self._queue.take(min(len(self._queue), _MOST_A_WRITE)))
            self._idle.set()

    async def drain(self, seconds: float) -> bool:
        """Wait up to `seconds` until everything is written; return whether it is."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        return not len(self._queue) and not self._writing

    async def stop(self) -> None:
        """Let `run` return."""
        self._stopping = True
        self._available.set()

    def abandon(self, reason: str) -> None:
        """Count as dropped what could not be written, or only in part."""
        for message in self._writing:
            self._queue.discard(message, reason)
        self._writing = ()
        self._queue.drop_all(reason)

    def _wake(self) -> None:
        self._idle.clear()
        self._available.set()

    async def _write(self, messages: Sequence[Message]) -> None:
        self._writing = messages
        lines = [*map(self._line, messages)]
        write = partial(_write_all, self._stream, b"".join(lines))
        written, error = await run_aside(write) if self._may_block else write()
        whole = bisect_right([*accumulate(map(len, lines))], written)
        self._queue.acknowledged(*messages[:whole])
        self._writing = ()
        if error is not None:
            self._idle.set()  # do not let `drain` wait for what cannot be written
            self._queue.put_back(*messages[whole:])
            if isinstance(error, BrokenPipeError):
                raise ReaderGone("the reader of standard output has closed it")
            raise StdoutFailed(f"cannot write to standard output: {error.strerror}")

    def _line(self, message: Message) -> bytes:
        try:
            topic = orjson.dumps(self._topic(message))
        except TopicError:
            topic = b"null"
        retain = b"true" if message.kind in self._options.retained else b"false"
        properties = b'"user_properties":%b,' % orjson.dumps({TRIGGER: message.trigger}) if message.trigger else b""
        return b'{"topic":%b,"qos":%d,"retain":%b,%b"payload":%b}\n' % (
            topic,
            self._options.qos.get(message.kind, self._qos),
            retain,
            properties,
            message.payload,
        )


def _write_all(stream: FileIO, data: bytes) -> tuple[int, OSError | None]:
    """Write as much as possible; return how many bytes, and the error that stopped it."""
    left = memoryview(data)
    try:
        while left:
            left = left[stream.write(left) or 0 :]
    except OSError as error:
        return len(data) - len(left), error
    return len(data), None
