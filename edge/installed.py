"""What has to be installed before anything of ours can be imported; to be asked first, so it imports nothing itself."""

from __future__ import annotations

import sys
from importlib.util import find_spec

_PACKAGES = ("fastapi", "idna", "orjson", "paho", "prometheus_client", "pydantic", "uvicorn", "yaml")
"""Modules of what requirements.txt lists; tzdata is wanted only where the system has no time zones."""

_HINT = "`pip install -r requirements.txt`, or `make run` once and then .venv/bin/python app.py"


def require() -> None:
    """End with 2 and a sentence where Python is too old or a package is missing."""
    if sys.version_info < (3, 11):  # noqa: UP036 - this is where it is told
        sys.exit(_told(f"edgemqttsim needs Python 3.11 or newer; this is {sys.version.split()[0]}"))
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        sys.exit(_told(f"edgemqttsim needs packages that are not installed here ({', '.join(missing)}): {_HINT}"))


def _told(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return 2
