"""Ways to start the simulator: `python app.py` anew, or forked from a process that has imported everything."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Protocol, cast

from tests.support.processes.leaks import NURSERIES

ROOT = Path(__file__).parents[3]
_START_SECONDS = 60.0


class Started(Protocol):
    """What `subprocess.Popen` has, as far as it is used here."""

    pid: int
    stdout: IO[str] | None
    stderr: IO[str] | None

    def poll(self) -> int | None:
        """Return the exit code, or None while it runs."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the exit code; raise subprocess.TimeoutExpired."""

    def send_signal(self, sig: int) -> None:
        """Send a signal, unless it has ended."""

    def terminate(self) -> None:
        """Send SIGTERM."""

    def kill(self) -> None:
        """Send SIGKILL."""


class Start(Protocol):
    """Starts `app.py` with arguments, an environment and a directory. stdout: a descriptor, PIPE or DEVNULL."""

    def __call__(
        self, arguments: Sequence[str], environ: Mapping[str, str], directory: Path, stdout: int, /
    ) -> Started: ...


def anew(arguments: Sequence[str], environ: Mapping[str, str], directory: Path, stdout: int, /) -> Started:
    """Start `python app.py`."""
    return subprocess.Popen(
        [sys.executable, str(ROOT / "app.py"), *arguments],
        cwd=directory,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
    )


class Forks:
    """Starts simulators by a process that has imported everything (nursery.py), which itself starts at the first."""

    def __init__(self) -> None:
        self._nursery: subprocess.Popen[bytes] | None = None
        self._requests: socket.socket | None = None
        self._opening = threading.Lock()

    def __call__(
        self, arguments: Sequence[str], environ: Mapping[str, str], directory: Path, stdout: int, /
    ) -> Started:
        """Fork one."""
        requests = self._opened()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        argv = [str(ROOT / "app.py"), *arguments]
        head = json.dumps({"argv": argv, "environ": dict(environ), "directory": str(directory)})
        with contextlib.ExitStack() as sent:
            sent.enter_context(theirs)
            null = _sent(sent, os.open(os.devnull, os.O_RDWR))
            seen: IO[str] | None = None
            if stdout == subprocess.DEVNULL:
                stdout = null
            elif stdout == subprocess.PIPE:
                seen, stdout = _pipe(sent)
            errors, stderr = _pipe(sent)
            socket.send_fds(requests, [head.encode()], [null, stdout, stderr, theirs.fileno()])
        return Forked(ours, seen, errors)

    def close(self) -> None:
        """End the process that forks, with all that it has forked."""
        if self._requests is not None and self._nursery is not None:
            self._requests.close()
            self._nursery.wait(10)
            NURSERIES.discard(self._nursery.pid)

    def descriptor(self) -> int:
        """Return the descriptor at which others can ask, such as command.py."""
        return self._opened().fileno()

    def _opened(self) -> socket.socket:
        with self._opening:
            if self._requests is None:
                self._requests = self._open()
            return self._requests

    def _open(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [sys.executable, "-m", "tests.support.processes.nursery", str(theirs.fileno())]
            self._nursery = subprocess.Popen(command, cwd=ROOT, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
        NURSERIES.add(self._nursery.pid)
        return ours


def _pipe(sent: contextlib.ExitStack) -> tuple[IO[str], int]:
    """Return the end of a pipe that is read, and the other one, which is closed when it is sent."""
    reads, writes = os.pipe()
    return os.fdopen(reads, encoding="utf-8"), _sent(sent, writes)


def _sent(sent: contextlib.ExitStack, descriptor: int) -> int:
    sent.callback(os.close, descriptor)
    return descriptor


class Forked:
    """A process that is no child of this one."""

    def __init__(self, answers: socket.socket, stdout: IO[str] | None, stderr: IO[str]) -> None:
        self._answers = answers
        self.stdout = stdout
        self.stderr: IO[str] | None = stderr
        self.returncode: int | None = None
        answers.settimeout(_START_SECONDS)
        self.pid = int(answers.recv(32))

    def poll(self) -> int | None:
        """Return the exit code, or None while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0.0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the exit code; raise subprocess.TimeoutExpired."""
        if self.returncode is None:
            ready, _, _ = select.select([self._answers], [], [], timeout)
            if not ready:
                raise subprocess.TimeoutExpired("app.py", cast("float", timeout))
            self.returncode = int(self._answers.recv(32))
            self._answers.close()
        return self.returncode

    def send_signal(self, sig: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, sig)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)
