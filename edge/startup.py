"""Standard streams and signal handlers, prepared before anything else is imported.

Imports take a few tenths of a second. The first process of a container has no default action for signals (signal(7)),
so a signal in that time would be lost. The number of a standard stream that is closed is given to the next file or
socket that is opened, into which print would then write.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import io
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType

FAILED, READER_GONE = 1, 128 + signal.SIGPIPE
_CANNOT_WRITE = "cannot write to standard output"
_LAST_RESORT_SECONDS = 5.0
_FAILED_WRITES = {errno.EBADF, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ENOSPC}
_ENDING = (signal.SIGINT, signal.SIGTERM)


def prepare() -> None:
    """Open missing standard streams, have them write UTF-8, and exit silently at SIGINT and SIGTERM; call this once.

    The garbage collector waits for `guarded`: what is imported stays, and to go through it took a seventh of the start.
    """
    gc.disable()
    # A closed standard output stays unwritable, so that lost output is noticed.
    for descriptor, flags in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        if not _is_open(descriptor):
            os.open(os.devnull, flags)  # the least free number, which is this one
    if sys.stdout is None:
        sys.stdout = io.TextIOWrapper(io.FileIO(1, "w", closefd=False), write_through=True)
    if sys.stderr is None:
        sys.stderr = io.TextIOWrapper(io.FileIO(2, "w", closefd=False), write_through=True)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    for number in _ENDING:
        signal.signal(number, _end_at_once)


def guarded(work: Callable[[], int]) -> int:
    """Return the exit code of `work`, or another one where standard output cannot be written to."""
    gc.freeze()
    gc.enable()
    for number in _ENDING:
        signal.signal(number, _end)
    try:
        code = work()
        sys.stdout.flush()
    except BrokenPipeError:
        code = READER_GONE
    except OSError as error:
        if not _is_of_stdout(error):
            raise
        code = FAILED
        with contextlib.suppress(OSError):
            print(f"{_CANNOT_WRITE}: {error.strerror}", file=sys.stderr)
    else:
        return code
    # The interpreter flushes once more as it exits, and would print an error.
    sys.stdout = io.StringIO()
    return code


def why_not_writable(descriptor: int) -> str | None:
    """Return why a standard stream cannot be written to, or None."""
    import fcntl  # noqa: PLC0415 - not needed as early as the rest

    if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
        return "it is closed"
    return None


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _is_of_stdout(error: OSError) -> bool:
    """Return whether it is an error of write(2), and not of a file that was opened by name."""
    return error.filename is None and error.errno in _FAILED_WRITES


def _end_at_once(number: int, _frame: FrameType | None) -> None:
    """Exit in the middle of an import, where an exception could get lost in C code."""
    os._exit(128 + number)


def _end(number: int, _frame: FrameType | None) -> None:
    """Exit at a signal before anything runs: files are closed, and there is nothing to drain."""
    from threading import Timer  # noqa: PLC0415 - not needed as early as the rest

    signal.signal(number, _end_at_once)
    # Buffers are flushed at exit, into a pipe that may be full.
    last_resort = Timer(_LAST_RESORT_SECONDS, os._exit, [128 + number])
    last_resort.daemon = True
    last_resort.start()
    raise SystemExit(128 + number)
