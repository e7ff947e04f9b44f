"""Writing to what may block for ever, such as a pipe that nothing reads, without waiting for it.

Regular files do not block for long, so they are written directly.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from io import BufferedWriter, FileIO, RawIOBase
from pathlib import Path
from threading import Condition, Thread
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_PIECE_BYTES: Final = 16_384
"""Bytes of one write(2): a quarter of what a pipe holds, so that a slow reader is seen to make progress."""
_MOST_WAITING_BYTES: Final = 8 * 2**20
"""What the reader of a whole file may leave unread: minutes of a plant in real time."""
_READER_SECONDS: Final = 2.0


def locked(path: Path) -> int:
    """Return a descriptor to write to a file, which is locked until it is closed; a pipe has to have a reader.

    The content stays. Raises OSError where it cannot be opened, or another run writes to it.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC, 0o666)
    os.set_blocking(descriptor, True)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise OSError(errno.EBUSY, "another run is writing to it", str(path)) from None
    except OSError:
        pass  # a file system without locks
    return descriptor


def written_to(descriptor: int) -> BufferedWriter[RawIOBase]:
    """Return the file of a descriptor, of which nothing may be missing; what is no regular file has a thread."""
    regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
    raw = FileIO(descriptor, "w") if regular else BackgroundFile(descriptor, _MOST_WAITING_BYTES, _READER_SECONDS)
    return BufferedWriter(raw)


class BackgroundWriter:
    """Writes to a descriptor in a thread of its own, in order, with a bounded number of bytes waiting.

    note: returns what is written in place of this many items that were dropped because there was no room; where it is
    None, `offer` rejects an item instead.  error: the first error of the descriptor; what is written after it is lost.
    The descriptor must stay open: the thread may be in the middle of a write at any time.
    """

    def __init__(self, descriptor: int, most_bytes: int, note: Callable[[int], bytes] | None = None) -> None:
        self._descriptor, self._most_bytes, self._note = descriptor, most_bytes, note
        self.error: OSError | None = None
        self._items: deque[bytes] = deque()
        self._waiting_bytes = self._dropped = self._written_bytes = 0
        self._writing = self._closing = False
        self._changed = Condition()
        Thread(target=self._run, name="background writer", daemon=True).start()

    def offer(self, data: bytes) -> bool:
        """Have an item written soon; return False where there is no room. A single item always has room."""
        with self._changed:
            while self._items and self._waiting_bytes + len(data) > self._most_bytes:
                if self._note is None:
                    return False
                self._waiting_bytes -= len(self._items.popleft())
                self._dropped += 1
            self._items.append(data)
            self._waiting_bytes += len(data)
            self._changed.notify_all()
        return True

    def wait(self, seconds: float, most_bytes: int = 0) -> bool:
        """Wait until at most so many bytes are waiting, for as long as some are written every `seconds`."""
        with self._changed:
            while not self._has_at_most(most_bytes):
                before = self._written_bytes
                if not self._changed.wait_for(lambda before=before: self._written_bytes > before, seconds):  # type: ignore[misc]
                    return False
        return True

    def flush(self, seconds: float) -> bool:
        """Wait up to `seconds` until all is written; return whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: self._has_at_most(0), seconds)

    def close(self) -> None:
        """End the thread once all is written."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()

    def _has_at_most(self, most_bytes: int) -> bool:
        return self._waiting_bytes <= most_bytes and not (self._writing and not most_bytes)

    def _run(self) -> None:
        while (data := self._next()) is not None:
            self._write(data)

    def _next(self) -> bytes | None:
        with self._changed:
            self._writing = False
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._items or self._closing)
            if not self._items:
                return None
            self._writing = True
            item = self._items.popleft()
            self._waiting_bytes -= len(item)
            dropped, self._dropped = self._dropped, 0
        return self._note(dropped) + item if dropped and self._note else item

    def _write(self, data: bytes) -> None:
        left = memoryview(data)
        while left and self.error is None:
            try:
                written = os.write(self._descriptor, left[:_PIECE_BYTES])
            except OSError as error:
                self.error = error if self._note is None else None
                written = len(left)
            left = left[written:]
            with self._changed:
                self._written_bytes += written
                self._changed.notify_all()


class BackgroundFile(RawIOBase):
    """A raw file for writing, whose writer waits only where a lot is unwritten, and only for a reader that reads.

    `write` and `close` raise OSError: that of the descriptor, or ETIMEDOUT where nothing is read for `seconds`.
    """

    def __init__(self, descriptor: int, most_bytes: int, seconds: float) -> None:
        self._descriptor, self._most_bytes, self._seconds = descriptor, most_bytes, seconds
        self._writer = BackgroundWriter(descriptor, most_bytes)
        self._stuck = False

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._descriptor

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, data: ReadableBuffer, /) -> int:
        """Have the bytes written soon."""
        piece = bytes(data)
        self._check(done=self._writer.wait(self._seconds, max(0, self._most_bytes - len(piece))))
        self._writer.offer(piece)
        return len(piece)

    def flush(self) -> None:
        """Do nothing: a reader may take as long as it likes, until the file is closed."""

    def close(self) -> None:
        """Wait until all is written. The descriptor is left to the end of the process where it is not."""
        if self.closed:
            return
        super().close()
        done = self._writer.wait(0.0 if self._stuck else self._seconds)
        self._writer.close()
        if done:
            with suppress(OSError):
                os.close(self._descriptor)
        self._check(done=done)

    def _check(self, *, done: bool) -> None:
        if self._writer.error is not None:
            raise self._writer.error
        if not done:
            self._stuck = True
            raise OSError(errno.ETIMEDOUT, f"its reader has read nothing for {self._seconds:g} s")
