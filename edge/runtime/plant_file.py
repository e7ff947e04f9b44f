"""The plant's file, read as what it may be: a small file, a pipe given by a shell, or something that never answers.

While the process runs it is read away from the loop, by one reading at a time, and followed as it changes. Files are
looked at, not watched by the kernel: a ConfigMap or projected volume changes by swapping the symlink `..data`, of which
a watch on the file sees at most the first, while reading through the path sees every one.
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

MOST_BYTES = 1_048_576
"""What a Kubernetes ConfigMap may hold, and a plant's YAML at most."""

_FIRST_SECONDS, _FIRST_BYTE_SECONDS = 10.0, 5.0
_ANSWER_SECONDS = 5.0


class Taken(NamedTuple):
    """What a path gave at the start. `followed`: it can be read again, as what comes from a pipe cannot."""

    content: bytes
    followed: bool


def take(path: Path, seconds: float = _FIRST_SECONDS, first_byte_seconds: float = _FIRST_BYTE_SECONDS) -> Taken:
    """Read the plant's file at the start: a regular file, or a pipe to its end.

    Raises OSError, with a reason in `strerror` that can follow "cannot be read:", for all else, for what is larger than
    a plant's file may be, and where it takes longer than `seconds`, or a pipe gives nothing for `first_byte_seconds`.
    """
    result: Future[Taken] = Future()
    reader = Thread(target=_fulfil, args=(result, partial(_taken, path, first_byte_seconds)), daemon=True)
    reader.start()
    if not wait([result], seconds).done:
        raise OSError(errno.EIO, f"it has not come to an end within {seconds:g} s", str(path))
    reader.join()  # who is forked after this must have no second thread
    return result.result()


def _fulfil(result: Future[Taken], call: Callable[[], Taken]) -> None:
    try:
        result.set_result(call())
    except Exception as error:  # noqa: BLE001 - it belongs to the caller, whatever it is
        result.set_exception(error)


def _taken(path: Path, first_byte_seconds: float) -> Taken:
    if stat.S_ISFIFO(path.stat().st_mode):
        return Taken(_drained(path, first_byte_seconds), followed=False)
    return Taken(read_small(path, MOST_BYTES), followed=True)


def _drained(path: Path, first_byte_seconds: float) -> bytes:
    """What comes out of a pipe. Opening it does not wait for who writes; reading it without one would end at once."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as pipe:  # noqa: PTH123 - a descriptor has no path
        writing = select.poll()
        writing.register(descriptor, select.POLLIN)
        if not writing.poll(first_byte_seconds * 1000):
            why = f"it is a pipe into which nobody has written for {first_byte_seconds:g} s"
            raise OSError(errno.EIO, why, str(path))
        os.set_blocking(descriptor, True)
        content = pipe.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise OSError(errno.EFBIG, f"it gives more than {MOST_BYTES:,} bytes", str(path))
    return content


class PlantFile:
    """The plant's file of a running process, read by one thread at a time.

    answer_seconds: how long a reading may take; one that hangs is left alone, and none is begun beside it.
    """

    def __init__(self, path: Path, answer_seconds: float = _ANSWER_SECONDS) -> None:
        self._path, self._answer_seconds = path, answer_seconds
        self._reading: asyncio.Future[bytes] | None = None

    async def read(self) -> bytes:
        """Its content as of now; OSError with a reason in `strerror` where there is none to be had."""
        try:
            async with asyncio.timeout(self._answer_seconds):
                while self._reading is not None and not self._reading.done():
                    await asyncio.wait({self._reading})
                self._reading = reading = asyncio.ensure_future(run_aside(partial(read_small, self._path, MOST_BYTES)))
                reading.add_done_callback(_hear)
                await asyncio.wait({reading})
        except TimeoutError:
            raise OSError(errno.EIO, "it does not answer", str(self._path)) from None
        return reading.result()


def _hear(reading: asyncio.Future[bytes]) -> None:
    """Nobody may be left to hear how a reading that hung went in the end."""
    if not reading.cancelled():
        reading.exception()


class FileWatcher:
    """Looks at a file at intervals, and tells what is new: its content, or in words why it cannot be read any more.

    Content counts, not the time stamps: a swapped symlink with the same text is no change. It must be the same for two
    looks in a row, so that a file is not taken while it is being written, nor missed while it is being replaced.
    read: gives the content or raises OSError.  known: the digest of the content that is known.
    """

    def __init__(self, read: Callable[[], Awaitable[bytes]], known: bytes | str | None) -> None:
        self._read, self._known, self._last_seen = read, known, known

    async def run(self, on_news: Callable[[bytes | str], Awaitable[object]], interval_seconds: float) -> None:
        """Look, and look again, for ever."""
        while True:
            await asyncio.sleep(interval_seconds)
            news = await self.look()
            if news is not None:
                await on_news(news)

    async def look(self) -> bytes | str | None:
        """What is new, once for each; None where nothing is."""
        seen = await self._see()
        mark = seen if isinstance(seen, str) else digest(seen)
        before, self._last_seen = self._last_seen, mark
        if mark != before or mark == self._known:
            return None
        self._known = mark
        return seen

    async def _see(self) -> bytes | str:
        try:
            return await self._read()
        except OSError as error:
            return error.strerror or str(error)


def digest(content: bytes) -> bytes:
    """Give a fingerprint of a file's content."""
    return hashlib.blake2b(content, digest_size=16).digest()
