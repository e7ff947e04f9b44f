"""A subscriber that notes of each row when it was due and when it came."""

from __future__ import annotations

import re
import socket
import threading
import time
from array import array
from datetime import datetime
from functools import lru_cache
from typing import Self

from benchmarks.senders.raw import connect, subscribe

_READ_BYTES = 262_144
# Read off the stream, whatever frames it is cut into: every row begins so, and nothing else does.
_ROW = re.compile(rb'\{"timestamp":"([^"]{19})\.([0-9]{3})Z"')
_LONGEST_ROW_START = len('{"timestamp":"2026-01-31T14:22:05.250Z"')


class Arrivals:
    """Context manager: listens from entering on, in a thread, at QoS 0.

    due, came: by row, in the order in which they came: its timestamp and the wall clock, in Unix seconds.
    """

    def __init__(self, port: int, topic_filter: str = "factory/#", client_id: str = "bench-arrivals") -> None:
        self.due, self.came = array("d"), array("d")
        self._port, self._filter, self._client_id = port, topic_filter, client_id
        self._thread = threading.Thread(target=self._listen, name="arrivals", daemon=True)

    def __enter__(self) -> Self:
        self._sock = connect(self._port, "", self._client_id)
        subscribe(self._sock, self._filter)
        self._sock.settimeout(None)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._sock.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._sock.close()

    def late(self, first: int = 0) -> list[float]:
        """By how many seconds each row from that one on came late."""
        return [came - due for due, came in zip(self.due[first:], self.came[first:], strict=False)]

    def _listen(self) -> None:
        rest = b""
        while data := self._sock.recv(_READ_BYTES):
            now, buffer = time.time(), rest + data
            rest = self._note(buffer, now)

    def _note(self, buffer: bytes, now: float) -> bytes:
        """Note the rows that begin in there; gives the end, in which another may have begun."""
        end = 0
        for found in _ROW.finditer(buffer):
            self.due.append(_second(found[1]) + int(found[2]) / 1000)
            self.came.append(now)
            end = found.end()
        return buffer[max(end, len(buffer) - _LONGEST_ROW_START + 1) :]


@lru_cache(maxsize=4)
def _second(text: bytes) -> float:
    return datetime.fromisoformat(f"{text.decode()}Z").timestamp()
