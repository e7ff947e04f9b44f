"""An independent subscriber that counts, for each sender, messages received, missing, repeated and reordered."""

from __future__ import annotations

import re
import socket
import threading
from dataclasses import dataclass, field
from typing import Self

from benchmarks.senders.raw import connect, subscribe

_READ_BYTES = 262_144
# The CloudEvents id in the byte stream: 24 characters that the sender's messages share, then a counter from 1.
_ID = re.compile(rb"\x26\x00\x02id\x00\x24([0-9a-f-]{24})([0-9a-f]{12})")
_LONGEST_ID = 8 + 36


@dataclass(slots=True)
class Sender:
    """The messages received from one sender: all before `expected`, except those in `missing`."""

    expected: int = 1
    missing: set[int] = field(default_factory=set)


class CountingSubscriber:
    """A context manager that subscribes to all topics, in a thread.

    distinct: different messages received.  repeated: messages received again.  reordered: messages first received after
    a later one of their sender.
    """

    def __init__(self, port: int) -> None:
        self.distinct = self.repeated = self.reordered = 0
        self._senders: dict[bytes, Sender] = {}
        self._port = port
        self._thread = threading.Thread(target=self._listen, name="witness", daemon=True)

    def __enter__(self) -> Self:
        self._sock = connect(self._port, "", "chaos-witness")
        subscribe(self._sock, "factory/#")
        self._sock.settimeout(None)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._sock.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._sock.close()

    @property
    def gaps(self) -> int:
        """How many messages are missing before a later one of their sender."""
        return sum(len(sender.missing) for sender in self._senders.values())

    def note(self, sender: bytes, number: int) -> None:
        """Count a received message."""
        known = self._senders.setdefault(sender, Sender())
        if number >= known.expected:
            known.missing.update(range(known.expected, number))
            known.expected = number + 1
            self.distinct += 1
        elif number in known.missing:
            known.missing.remove(number)
            self.distinct += 1
            self.reordered += 1
        else:
            self.repeated += 1

    def _listen(self) -> None:
        rest = b""
        while data := self._sock.recv(_READ_BYTES):
            buffer, end = rest + data, 0
            for found in _ID.finditer(buffer):
                self.note(found[1], int(found[2], 16))
                end = found.end()
            rest = buffer[max(end, len(buffer) - _LONGEST_ID + 1) :]
