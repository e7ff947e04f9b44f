"""A process that forks simulators which need not import anything more: `python -m tests.support.processes.nursery FD`.

A start takes half a second of processor time, nearly all of it for imports, and the tests start a thousand of them.
What is forked does all that `python app.py` does after its imports, in a process of its own. Whatever is about the
start itself (memory, imports, hash seeds) needs a fresh process: `DaemonProcess` has one outside of tests.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import sys
import time
from importlib import import_module
from typing import NamedTuple

from edge import installed, startup

MOST_BYTES = 1 << 18
IMPORTED = (
    "app",
    "cli.demo_broker",
    "cli.demo_wire",
    "edge.http.api.app",
    "edge.http.compat.profiles",
    "edge.http.routes",
    "edge.http.server",
    "edge.page.routes",
)
"""What a run has imported a second after its start, with the modules that these import."""


class Wanted(NamedTuple):
    """A process to be: its arguments, environment and directory, and its standard streams."""

    argv: list[str]
    environ: dict[str, str]
    directory: str
    streams: list[int]


class Nursery:
    """Forks a process for each request at a socket, and tells the one who asked how it ended."""

    def __init__(self, requests: socket.socket) -> None:
        self._requests = requests
        self._waiting: dict[int, socket.socket] = {}
        self._awake, wakes = socket.socketpair()
        self._wakes = wakes
        wakes.setblocking(False)
        self._awake.setblocking(False)
        signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def serve(self) -> Wanted | None:
        """Return in each process that is forked, with what it is to be; and None when nobody can ask any more."""
        while True:
            ready, _, _ = select.select([self._requests, self._awake], [], [])
            if self._awake in ready:
                self._awake.recv(4096)
                self._report_endings()
            if self._requests in ready:
                head, descriptors, _, _ = socket.recv_fds(self._requests, MOST_BYTES, 4)
                if not head:
                    for pid in self._waiting:
                        os.kill(pid, signal.SIGKILL)
                    return None
                answers = socket.socket(fileno=descriptors.pop())
                pid = os.fork()
                if not pid:
                    self._leave()
                    # From here on: signals that arrive before Python has seen to a fork are lost.
                    with answers:
                        answers.send(str(os.getpid()).encode())
                    return Wanted(**json.loads(head), streams=descriptors)
                self._waiting[pid] = answers
                for each in descriptors:
                    os.close(each)

    def _report_endings(self) -> None:
        while self._waiting:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            with self._waiting.pop(pid) as answers, contextlib.suppress(OSError):
                answers.send(str(os.waitstatus_to_exitcode(status)).encode())

    def _leave(self) -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for each in (self._requests, self._awake, self._wakes, *self._waiting.values()):
            each.close()


def become(wanted: Wanted) -> None:
    """Take the place of a process that was started anew."""
    for number, descriptor in enumerate(wanted.streams):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(wanted.directory)
    os.environ.clear()
    os.environ.update(wanted.environ)
    time.tzset()
    sys.argv[:] = wanted.argv


def main() -> int:
    """Import all, and fork."""
    startup.prepare()
    installed.require()
    for each in IMPORTED:
        import_module(each)
    from app import of_this_process  # noqa: PLC0415 - as app.py does it, after the first two lines

    wanted = Nursery(socket.socket(fileno=int(sys.argv[1]))).serve()
    if wanted is None:
        return 0
    become(wanted)
    return startup.guarded(of_this_process)


if __name__ == "__main__":
    sys.exit(main())
