"""Check of Python and the installed packages, before anything else is imported; so it imports nothing itself."""

from __future__ import annotations

import sys
from importlib.util import find_spec

_PACKAGES = ("fastapi", "idna", "orjson", "paho", "prometheus_client", "pydantic", "uvicorn", "yaml")
"""Modules of the packages in requirements.txt; tzdata is needed only where the system has no time zones."""

_HINT = "`pip install -r requirements.txt`, or `make run` once and then .venv/bin/python app.py"


def require() -> None:
    """Exit with 2 and one line where Python is too old or a package is missing."""
    if sys.version_info < (3, 11):  # noqa: UP036 - this is the check
        sys.exit(_failed(f"edgemqttsim needs Python 3.11 or newer; this is {sys.version.split()[0]}"))
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        sys.exit(_failed(f"edgemqttsim needs packages that are not installed here ({', '.join(missing)}): {_HINT}"))


def _failed(text: str) -> int:
    print(text, file=sys.stderr)
    return 2
