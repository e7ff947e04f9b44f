"""Reading and following the plant's file, which may be a small file, a pipe from a shell, or a mount that hangs.

While the process runs, the file is read outside the event loop, once at a time, and followed as it changes. It is
polled, not watched by the kernel: a ConfigMap or projected volume changes by swapping the symlink `..data`, of which a
watch on the file sees at most the first swap, while reading through the path sees every one.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import select
import stat
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, wait
from functools import partial
from pathlib import Path
from threading import Thread
from typing import NamedTuple

from edge.blocking import read_small, run_aside
from plant.definition.document.errors import unreadable

MOST_BYTES = 1_048_576
"""The most that a Kubernetes ConfigMap can contain, and so the most for a plant's YAML."""

_FIRST_SECONDS, _FIRST_BYTE_SECONDS = 10.0, 5.0
_TIMEOUT_SECONDS = 5.0


class ReadAtStart(NamedTuple):
    """What was read at the start. followed: whether it can be read again, which a pipe cannot."""

    content: bytes
    followed: bool


def read_at_start(
    path: Path, seconds: float = _FIRST_SECONDS, first_byte_seconds: float = _FIRST_BYTE_SECONDS
) -> ReadAtStart:
    """Read the plant's file at the start: a regular file, or a pipe to its end.

    Raises OSError, with a reason in `strerror` that can follow "cannot be read:", for anything else, for a
    file that is too large, and where it takes longer than `seconds`, or a pipe is silent for `first_byte_seconds`.
    """
    result: Future[ReadAtStart] = Future()
    reader = Thread(target=_set_outcome, args=(result, partial(_read, path, first_byte_seconds)), daemon=True)
    reader.start()
    if not wait([result], seconds).done:
        raise OSError(errno.EIO, f"reading did not end within {seconds:g} s", str(path))
    reader.join()  # a process that forks after this must have no second thread
    return result.result()


def _set_outcome(result: Future[ReadAtStart], call: Callable[[], ReadAtStart]) -> None:
    try:
        result.set_result(call())
    except Exception as error:  # noqa: BLE001 - any exception belongs to the caller
        result.set_exception(error)


def _read(path: Path, first_byte_seconds: float) -> ReadAtStart:
    if stat.S_ISFIFO(path.stat().st_mode):
        return ReadAtStart(_read_pipe(path, first_byte_seconds), followed=False)
    return ReadAtStart(read_small(path, MOST_BYTES), followed=True)


def _read_pipe(path: Path, first_byte_seconds: float) -> bytes:
    """Read a pipe to its end. Opening it does not wait for a writer; reading it without one would end at once."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as pipe:  # noqa: PTH123 - a descriptor has no path
        writing = select.poll()
        writing.register(descriptor, select.POLLIN)
        if not writing.poll(first_byte_seconds * 1000):
            why = f"it is a pipe to which nothing was written for {first_byte_seconds:g} s"
            raise OSError(errno.EIO, why, str(path))
        os.set_blocking(descriptor, True)
        content = pipe.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise OSError(errno.EFBIG, f"it has more than {MOST_BYTES:,} bytes", str(path))
    return content


class PlantFile:
    """The plant's file of a running process, read by one thread at a time.

    timeout_seconds: how long a read may take; one that hangs is abandoned, and no other is started beside it.
    """

    def __init__(self, path: Path, timeout_seconds: float = _TIMEOUT_SECONDS) -> None:
        self._path, self._timeout_seconds = path, timeout_seconds
        self._reading: asyncio.Future[bytes] | None = None

    async def read(self) -> bytes:
        """Return the current content; raises OSError with a reason in `strerror`."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                while self._reading is not None and not self._reading.done():
                    await asyncio.wait({self._reading})
                self._reading = reading = asyncio.ensure_future(run_aside(partial(read_small, self._path, MOST_BYTES)))
                reading.add_done_callback(_retrieve)
                await asyncio.wait({reading})
        except TimeoutError:
            raise OSError(errno.EIO, "no answer in time", str(self._path)) from None
        return reading.result()


def _retrieve(reading: asyncio.Future[bytes]) -> None:
    """Mark an error as seen: nothing may wait any more for a read that hung."""
    if not reading.cancelled():
        reading.exception()


class FileWatcher:
    """Reads a file at intervals, and reports what is new: its content, or why it cannot be read any more.

    Content counts, not time stamps: a swapped symlink with the same text is no change. Content has to be the same twice
    in a row, so that a file is not loaded while it is being written, nor missed while it is being replaced.
    read: returns the content or raises OSError.  known: the digest of the content that is known.
    """

    def __init__(self, read: Callable[[], Awaitable[bytes]], known: bytes | str | None) -> None:
        self._read, self._known, self._last_seen = read, known, known

    async def run(self, on_change: Callable[[bytes | str], Awaitable[bool]], interval_seconds: float) -> None:
        """Poll until cancelled. on_change: returns False where the change is to be reported again, as it is."""
        while True:
            await asyncio.sleep(interval_seconds)
            change = await self.poll()
            if change is not None and not await on_change(change):
                self._known = None

    async def poll(self) -> bytes | str | None:
        """Return each change once: new content, or the rule that an unreadable file breaks; None without a change."""
        seen = await self._content_or_reason()
        mark = seen if isinstance(seen, str) else digest(seen)
        before, self._last_seen = self._last_seen, mark
        if mark != before or mark == self._known:
            return None
        self._known = mark
        return seen

    async def _content_or_reason(self) -> bytes | str:
        try:
            return await self._read()
        except OSError as error:
            return unreadable(error)


def digest(content: bytes) -> bytes:
    """Return a fingerprint of a file's content."""
    return hashlib.blake2b(content, digest_size=16).digest()
