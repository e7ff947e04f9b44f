"""A terminal of its own (pty) in which `top` runs, as its users have it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from tests.support.processes.daemon import ROOT

PATIENCE_SECONDS = 40.0


class Terminal:
    """A command in a terminal of 24 lines of 80 columns. A context manager; leaving kills it."""

    def __init__(self, *command: str, environ: Mapping[str, str] | None = None) -> None:
        self._ours, self._its = pty.openpty()
        fcntl.ioctl(self._its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.before = termios.tcgetattr(self._its)
        self.output = b""
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "TERM": "xterm-256color", **(environ or {})},
            stdin=self._its,
            stdout=self._its,
            stderr=self._its,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)
        os.close(self._its)

    @property
    def is_as_before(self) -> bool:
        """Whether the terminal reads keys line by line again, and shows them."""
        return termios.tcgetattr(self._its) == self.before

    def type(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self._ours, keys)

    def shows(self, text: bytes) -> None:
        """Wait until something has been written."""
        end = time.monotonic() + PATIENCE_SECONDS
        while text not in self.output:
            assert time.monotonic() < end, f"not within {PATIENCE_SECONDS} s: {text!r} in {self.output!r}"
            self._read(0.1)

    def wait(self) -> int:
        """Wait for the end, and read what is left; the exit code."""
        end = time.monotonic() + PATIENCE_SECONDS
        while self.process.poll() is None:
            assert time.monotonic() < end, f"still runs after {PATIENCE_SECONDS} s"
            self._read(0.1)
        while self._read(0):
            pass
        return self.process.returncode

    def _read(self, seconds: float) -> bytes:
        found = b""
        if select.select([self._ours], [], [], seconds)[0]:
            with contextlib.suppress(OSError):
                found = os.read(self._ours, 65536)
        self.output += found
        return found


def top(*arguments: str, environ: Mapping[str, str] | None = None) -> Terminal:
    """Run `top` in a terminal."""
    return Terminal(sys.executable, "app.py", "top", *arguments, environ=environ)


def lines_of(output: bytes) -> Sequence[str]:
    """What was written, as lines."""
    return output.decode().replace("\r\n", "\n").splitlines()
