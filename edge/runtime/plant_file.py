"""The plant's file, read, followed and saved: a small file, a pipe from a shell, or a mount that hangs.

While the process runs, the file is read outside the event loop, once at a time, and followed as it changes. It is
polled, not watched by the kernel: a ConfigMap or projected volume changes by swapping the symlink `..data`, of which a
watch on the file sees at most the first swap, while reading through the path sees every one.

It is saved by a rename, so that whoever reads it meanwhile has the old content or the new one, and never a part.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import os
import select
import stat
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import Future, wait
from functools import partial
from pathlib import Path
from threading import Thread
from typing import NamedTuple, TypeVar

from edge.blocking import read_small, run_aside
from plant.definition.document.errors import unreadable

_Result = TypeVar("_Result")

MOST_BYTES = 1_048_576
"""The most that a Kubernetes ConfigMap can contain, and so the most for a plant's YAML."""

_FIRST_SECONDS, _FIRST_BYTE_SECONDS = 10.0, 5.0
_TIMEOUT_SECONDS = 5.0
_MOUNTS = Path("/proc/self/mountinfo")
_PACKAGES = frozenset({"site-packages", "dist-packages"})


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


class NotSaved(Exception):
    """The plant's file cannot be saved; the text says why, and can follow its name and a colon."""


def why_not_writable(path: Path) -> str | None:
    """Return why other content cannot be put in the place of a file, as far as that shows without trying, or None."""
    try:
        real = path.resolve(strict=True)
        return next((why for is_so, why in _OBSTACLES if is_so(path, real)), None)
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle
        return getattr(error, "strerror", None) or str(error)


_OBSTACLES: Sequence[tuple[Callable[[Path, Path], bool], str]] = (
    (
        lambda path, real: (path.parent / "..data").is_symlink() or real.parent.name.startswith(".."),
        "it is mounted from a ConfigMap or Secret, which has to be changed instead",
    ),
    (lambda _, real: not real.is_file(), "it is no regular file"),
    (
        lambda _, real: bool(_PACKAGES & set(real.parts)),
        "it belongs to the installed program; copy it, and set MESSAGE_CONFIG_PATH",
    ),
    (lambda _, real: _is_mount(real), "it is mounted as a single file, which cannot be replaced"),
    (lambda _, real: not os.access(real, os.W_OK), "there is no permission to write it"),
    (lambda _, real: not os.access(real.parent, os.W_OK | os.X_OK), "there is no permission to write in its folder"),
)
"""Of a path and what it leads to: whether that prevents saving, and the reason in words."""


def _is_mount(path: Path) -> bool:
    """Return whether a file is a mount of its own, as with `docker run -v file:file`."""
    try:
        lines = _MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    return str(path).replace(" ", "\\040") in {line.split(" ")[4] for line in lines}


class Replacement:
    """Other content for a file, written beside it, until it takes the file's place or is discarded.

    It has the mode of the file and, where that is permitted, its owner. What the file had is kept as `NAME.bak`, and
    written before as well: a full disk then prevents the beginning, and not the end.
    All of it may block: to be called outside the event loop.
    known: the digest of what the file has to have; raises NotSaved where it has something else, or cannot be replaced.
    """

    def __init__(self, path: Path, content: bytes, known: bytes) -> None:
        why_not = why_not_writable(path)
        if why_not is not None:
            raise NotSaved(why_not)
        self._path, self._known = path.resolve(), known
        self.backup = self._path.with_name(f"{self._path.name}.bak")
        if self.backup.is_dir():
            raise NotSaved(f"{self.backup.name} beside it, which is to have what it had, is a folder")
        self._old = self._written(self._require_known())
        try:
            self._new = self._written(content)
        except NotSaved:
            self._old.unlink(missing_ok=True)
            raise

    def commit(self) -> None:
        """Put the content in the file's place; raises NotSaved where the file has changed meanwhile, or cannot be."""
        self._require_known()
        try:
            self._old.replace(self.backup)
            self._new.replace(self._path)
            _sync(self._path.parent)
        except OSError as error:
            raise NotSaved(error.strerror or str(error)) from error

    def discard(self) -> None:
        """Remove what was written, unless it has taken its place."""
        self._old.unlink(missing_ok=True)
        self._new.unlink(missing_ok=True)

    def _require_known(self) -> bytes:
        try:
            content = read_small(self._path, MOST_BYTES)
        except OSError as error:
            raise NotSaved(unreadable(error)) from error
        if digest(content) != self._known:
            raise NotSaved("it has changed since it was last applied; load it again first")
        return content

    def _written(self, content: bytes) -> Path:
        """Return a new file beside the file, with its mode and owner."""
        try:
            like = self._path.stat()
            descriptor, name = tempfile.mkstemp(".tmp", f".{self._path.name}.", self._path.parent)
        except OSError as error:
            raise NotSaved(error.strerror or str(error)) from error
        try:
            with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor has no path
                file.write(content)
                file.flush()
                if (like.st_uid, like.st_gid) != (os.geteuid(), os.getegid()):
                    with contextlib.suppress(PermissionError):
                        os.fchown(descriptor, like.st_uid, like.st_gid)
                os.fchmod(descriptor, stat.S_IMODE(like.st_mode))  # after the owner, whose change takes bits away
                os.fsync(descriptor)
        except OSError as error:
            Path(name).unlink(missing_ok=True)
            raise NotSaved(error.strerror or str(error)) from error
        return Path(name)


def _sync(folder: Path) -> None:
    """Have a rename in a folder outlast a crash of the machine."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class PlantFile:
    """The plant's file of a running process, read by one thread at a time.

    timeout_seconds: how long a read may take; one that hangs is abandoned, and no other is started beside it.
    why_not_writable: why it cannot be saved, as of the last read; None where it can.
    """

    def __init__(self, path: Path, timeout_seconds: float = _TIMEOUT_SECONDS) -> None:
        self._path, self._timeout_seconds = path, timeout_seconds
        self._reading: asyncio.Future[tuple[bytes, str | None]] | None = None
        self.why_not_writable: str | None = "it has not been looked at yet"

    async def read(self) -> bytes:
        """Return the current content; raises OSError with a reason in `strerror`."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                while self._reading is not None and not self._reading.done():
                    await asyncio.wait({self._reading})
                self._reading = reading = asyncio.ensure_future(run_aside(self._look))
                reading.add_done_callback(_retrieve)
                await asyncio.wait({reading})
        except TimeoutError:
            raise OSError(errno.EIO, "no answer in time", str(self._path)) from None
        try:
            content, self.why_not_writable = reading.result()
        except OSError as error:
            self.why_not_writable = f"it {unreadable(error)}"
            raise
        return content

    def _look(self) -> tuple[bytes, str | None]:
        return read_small(self._path, MOST_BYTES), why_not_writable(self._path)

    @contextlib.asynccontextmanager
    async def replacement(self, content: bytes, known: bytes) -> AsyncIterator[Callable[[], Awaitable[Path]]]:
        """Have other content at hand; what is given puts it in the file's place, and returns where the old one is.

        Both raise NotSaved. known: the digest of what the file has to have.
        """
        made = await self._aside(partial(Replacement, self._path, content, known))

        async def commit() -> Path:
            await self._aside(made.commit)
            return made.backup

        try:
            yield commit
        finally:
            await run_aside(made.discard)

    async def _aside(self, call: Callable[[], _Result]) -> _Result:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await run_aside(call)
        except TimeoutError:
            raise NotSaved("no answer in time") from None


def _retrieve(reading: asyncio.Future[tuple[bytes, str | None]]) -> None:
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
