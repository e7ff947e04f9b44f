"""A plant that breaks in the middle of a change."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from inspect import CO_GENERATOR
from types import FrameType

_TAKING_BACK = ("checkpoint.py", "trial.py")


class Broken(Exception):
    """What goes wrong in tests."""


@contextmanager
def breaking(call: int) -> Iterator[list[str]]:
    """Let the plant break at its so-manieth call of a function; gives the names of those that were called.

    What takes a change back is left out: it cannot break and take back at once.
    """
    called: list[str] = []

    def look(frame: FrameType, event: str, _: object) -> None:
        file = frame.f_code.co_filename
        is_generator = frame.f_code.co_flags & CO_GENERATOR  # one is called to be closed, too, where nothing is raised
        if event == "call" and not is_generator and "/plant/" in file and not file.endswith(_TAKING_BACK):
            called.append(frame.f_code.co_name)
            if len(called) == call:
                raise Broken(frame.f_code.co_name)

    sys.setprofile(look)
    try:
        yield called
    finally:
        sys.setprofile(None)
