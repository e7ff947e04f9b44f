"""Waiting for what another process or thread is about to do, and no longer."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_until(condition: Callable[[], object], timeout_seconds: float, what: str) -> None:
    """Poll `condition` every 10 ms until it is true; `what` names it in the TimeoutError that ends the wait."""
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {timeout_seconds} s: {what}")
        time.sleep(0.01)
