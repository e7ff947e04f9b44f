"""What a measurement shows while it runs."""

from __future__ import annotations

import sys
from collections.abc import Callable

Say = Callable[[str], None]


def say(line: str) -> None:
    """A line on stderr, at once: the tables alone are on stdout."""
    print(line, file=sys.stderr, flush=True)
