"""The daemon as its users run it: a process of its own, with flags, signals and exit codes."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from sandbox.broker import EmbeddedBroker
from tests.support.processes.starts import ROOT, Start, anew
from tests.support.processes.waiting import wait_until

__all__ = ["ROOT", "DaemonProcess", "plain", "running", "start"]

start: Start = anew
"""How it is started. The tests' is forked, which takes a fifth of the time; measurements are of fresh processes."""


class DaemonProcess:
    """`python app.py ARGUMENTS`, with what it says kept line by line. A context manager; leaving kills it.

    fresh: whether it is started anew in any case, because the test is about the start.
    """

    def __init__(
        self,
        *arguments: str,
        environ: Mapping[str, str] | None = None,
        stdout: int = subprocess.PIPE,
        directory: Path = ROOT,
        fresh: bool = False,
    ) -> None:
        inherited = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "TMPDIR", "LANG")}
        self.process = (anew if fresh else start)(arguments, {**inherited, **(environ or {})}, directory, stdout)
        self.errors: list[str] = []
        self.output: list[str] = []
        self._readers = [
            threading.Thread(target=lines.extend, args=(pipe,), daemon=True)
            for pipe, lines in ((self.process.stderr, self.errors), (self.process.stdout, self.output))
            if pipe is not None
        ]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.wait()
        for pipe in (self.process.stderr, self.process.stdout):
            if pipe is not None:
                pipe.close()

    @property
    def log(self) -> str:
        """All of stderr so far."""
        return "".join(self.errors)

    def says(self, pattern: str, timeout_seconds: float = 15.0) -> re.Match[str]:
        """Wait until stderr matches `pattern`."""
        try:
            wait_until(lambda: re.search(pattern, self.log), timeout_seconds, repr(pattern))
        except TimeoutError as error:
            raise TimeoutError(f"{error} in:\n{self.log}") from None
        found = re.search(pattern, self.log)
        assert found
        return found

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def wait(self, timeout_seconds: float = 20.0) -> int:
        """Wait for the end; the exit code."""
        code = self.process.wait(timeout_seconds)
        for reader in self._readers:
            reader.join()
        return code

    def url(self) -> str:
        """Where its HTTP port is."""
        return self.says(r"HTTP on (http://\S+):? ").group(1).rstrip(":")


@contextmanager
def running(broker: EmbeddedBroker) -> Iterator[EmbeddedBroker]:
    """Run an embedded broker in a thread with a loop of its own, for a daemon in another process."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(broker.start(), loop).result(5)
        yield broker
        asyncio.run_coroutine_threadsafe(broker.close(), loop).result(5)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def plain(broker: EmbeddedBroker) -> list[str]:
    """The flags that lead to a broker's first, plain listener."""
    address = ["--mqtt-broker", "127.0.0.1", "--mqtt-port", str(broker.port)]
    return [*address, "--no-mqtt-tls", "--mqtt-auth-method", "none"]
