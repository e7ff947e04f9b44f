"""The time that commands are handed: no command looks at a clock itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Clock(NamedTuple):
    """now: seconds since 1970.  elapsed: seconds, monotonic.  sleep: waits for seconds."""

    now: Callable[[], float]
    elapsed: Callable[[], float]
    sleep: Callable[[float], None]
