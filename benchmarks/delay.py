"""`python -m benchmarks.delay PORT SECONDS`: a proxy to PORT that holds all bytes for SECONDS in each direction.

It runs beside the senders, not in their process. It prints its own port, and ends with its standard input.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.case import ROOT
from tests.support.brokers.proxy import Proxy


@contextmanager
def delaying(port: int, seconds: float) -> Iterator[int]:
    """Run such a proxy; gives its port."""
    call = [sys.executable, "-m", "benchmarks.delay", str(port), str(seconds)]
    pipe = subprocess.PIPE
    with subprocess.Popen(call, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:  # noqa: S603 - ourselves
        # Leaving the block closes its standard input, which is its end.
        yield int(process.stdout.readline() if process.stdout else 0)


def main(port: int, seconds: float) -> None:
    """Serve until nobody holds the other end of standard input."""
    with Proxy(port) as proxy:
        proxy.delay(seconds)
        print(proxy.port, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
