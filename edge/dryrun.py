"""Messages as JSON lines on a stream, in place of a broker: the same outbox, the same ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from io import FileIO

import orjson

from edge.facts import ConnectionFacts
from edge.outbox import Outbox
from edge.topics import TopicError
from edge.wire import TRIGGER
from plant.telemetry import Message


class StreamClosed(Exception):
    """Whoever read the stream has gone."""


class DryRun:
    """Writes every message as `{"topic":...,"qos":...,"retain":...,"payload":{...}}`; written is acknowledged.

    An extra row for a finished job has `"user_properties":{"trigger":"job"}` before its payload, as it has on the wire.
    A reader that is slow holds the whole process back: nothing is dropped for it.
    stream: unbuffered, so that what was written has left the process.
    """

    def __init__(
        self,
        outbox: Outbox,
        topic: Callable[[Message], str],
        qos: int,
        stream: FileIO,
        retained: Collection[str] = (),
    ) -> None:
        self._outbox, self._topic, self._stream = outbox, topic, stream
        self._qos, self._retained = qos, retained
        self._lines_wait = asyncio.Event()
        self._stopping = False
        outbox.on_message = self._lines_wait.set

    def facts(self) -> ConnectionFacts:
        """Always connected."""
        return ConnectionFacts(connected=True, connects=1, last_reason="dry run")

    async def run(self) -> None:
        """Write what comes until `stop`; StreamClosed where nobody reads any more."""
        while not self._stopping:
            await self._lines_wait.wait()
            self._lines_wait.clear()
            self._write()

    async def drain(self, _seconds: float) -> bool:
        """Write the rest."""
        self._write()
        return True

    async def stop(self) -> None:
        """Let `run` end."""
        self._stopping = True
        self._lines_wait.set()

    def abandon(self, reason: str) -> None:
        """Count what could not be written."""
        self._outbox.drop_all(reason)

    def _write(self) -> None:
        messages = self._outbox.take(len(self._outbox))
        lines = memoryview(b"".join(map(self._line, messages)))
        try:
            while lines:
                lines = lines[self._stream.write(lines) :]
        except BrokenPipeError:
            self._outbox.put_back(*messages)
            raise StreamClosed("the reader of the dry run has gone") from None
        self._outbox.acknowledged(*messages)

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
