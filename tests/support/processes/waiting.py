"""Waiting for what another process or thread is about to do, and no longer."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

_LONGEST_NAP_SECONDS: Final = 0.1


def wait_until(condition: Callable[[], object], timeout_seconds: float, what: str) -> None:
    """Poll `condition` every 10 ms until it is true; `what` names it in the TimeoutError that ends the wait.

    A machine that stands still for a while does not count: the others get no further in that time either.
    """
    left_seconds = timeout_seconds
    while not condition():
        if left_seconds <= 0:
            raise TimeoutError(f"not within {timeout_seconds} s: {what}")
        before = time.monotonic()
        time.sleep(0.01)
        left_seconds -= min(_LONGEST_NAP_SECONDS, time.monotonic() - before)
