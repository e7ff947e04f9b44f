"""Calls that may block for ever, run outside the event loop; and reading small files, whatever the path names.

asyncio's own executor does not suit: its threads are waited for when the loop closes and again when the interpreter
exits, so a resolver or a network mount that hangs would keep the process alive.
"""

from __future__ import annotations

import asyncio
import errno
import os
import stat
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from threading import Thread
from typing import TypeVar

_Result = TypeVar("_Result")
_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


async def run_aside(call: Callable[[], _Result]) -> _Result:
    """Return what a blocking call returns, or raise what it raises, from a thread that does not keep the process alive.

    Where the caller is cancelled, the call goes on and its result is lost.
    """
    result: Future[_Result] = Future()

    def work() -> None:
        try:
            value = call()
        except BaseException as error:  # noqa: BLE001 - any exception belongs to the caller
            if not result.cancelled():
                result.set_exception(error)
        else:
            if not result.cancelled():
                result.set_result(value)

    result.set_running_or_notify_cancel()
    Thread(target=work, name="aside", daemon=True).start()
    return await asyncio.wrap_future(result)


def read_small(path: Path, most_bytes: int) -> bytes:
    """Return the content of a regular file of at most `most_bytes`.

    Raises OSError, with a reason in `strerror` that can follow "cannot be read:", where it is missing, larger, a
    directory, a pipe, a device or not readable. Opening a pipe does not wait for a writer. A network mount that hangs
    still blocks: see `run_aside`.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        # Before a file object is made, which fails for a directory and leaves the descriptor open.
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, "it is a directory", str(path))
        if not stat.S_ISREG(status.st_mode):
            kind = _KINDS.get(stat.S_IFMT(status.st_mode), "something else")
            raise OSError(errno.EINVAL, f"it is {kind}, not a file", str(path))
        with open(descriptor, "rb", closefd=False) as file:
            content = file.read(most_bytes + 1) if status.st_size <= most_bytes else None
    finally:
        os.close(descriptor)
    if content is None or len(content) > most_bytes:
        raise OSError(errno.EFBIG, f"it is larger than {most_bytes:,} bytes", str(path))
    return content
