"""Check of Python, the packages and the clock before anything else is imported; so it imports little itself."""

from __future__ import annotations

import sys
import time
from importlib.util import find_spec

_PACKAGES = ("fastapi", "idna", "orjson", "paho", "prometheus_client", "pydantic", "uvicorn", "yaml")
"""Modules of the packages in requirements.txt; tzdata is needed only where the system has no time zones."""

_HINT = "`pip install -r requirements.txt`, or `make run` once and then .venv/bin/python app.py"


_CLOCK = "the system clock must be between the years 1970 and 2262 (compare `date -u`)"
"""Plant time begins with 1970, and Python counts nanoseconds in 64 bits."""


def require() -> None:
    """Exit with 2 and one line where Python is too old, a package is missing, or the clock is out of range."""
    if sys.version_info < (3, 11):  # noqa: UP036 - this is the check
        sys.exit(_failed(f"edgemqttsim needs Python 3.11 or newer; this is {sys.version.split()[0]}"))
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        sys.exit(_failed(f"edgemqttsim needs packages that are not installed here ({', '.join(missing)}): {_HINT}"))
    try:
        is_in_range = time.time() >= 0
    except OverflowError:
        is_in_range = False
    if not is_in_range:
        sys.exit(_failed(_CLOCK))


def _failed(text: str) -> int:
    print(text, file=sys.stderr)
    return 2
