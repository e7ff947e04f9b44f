"""Check of Python, the packages and the clock before anything else is imported; so it imports little itself."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from importlib.util import find_spec

PACKAGES = {
    "fastapi": "fastapi",
    "idna": "idna",
    "orjson": "orjson",
    "paho": "paho-mqtt",
    "prometheus_client": "prometheus-client",
    "pydantic": "pydantic",
    "uvicorn": "uvicorn",
    "yaml": "PyYAML",
}
"""Modules that a start imports -> their packages in requirements.txt; others are imported only where they are used."""

DEMO_PACKAGES = {"cryptography": "cryptography", "jwt": "PyJWT", "mqtt5": "mqtt5", "wsproto": "wsproto"}
"""Modules that the embedded broker of `--demo` imports in addition -> their packages in sandbox/requirements.txt."""

_NAME = "edgemqttsim"


_CLOCK = "the system clock must be between the years 1970 and 2262 (compare `date -u`)"
"""Plant time begins with 1970, and Python counts nanoseconds in 64 bits."""


def require() -> None:
    """Exit with 2 and one line where Python is too old, a package is missing, or the clock is out of range."""
    if sys.version_info < (3, 11):  # noqa: UP036 - this is the check
        sys.exit(_failed(f"edgemqttsim needs Python 3.11 or newer; this is {sys.version.split()[0]}"))
    if lacking := why_lacking(PACKAGES, "requirements.txt", "`make run` once and then .venv/bin/python app.py"):
        sys.exit(_failed(f"edgemqttsim {lacking}"))
    try:
        is_in_range = time.time() >= 0
    except OverflowError:
        is_in_range = False
    if not is_in_range:
        sys.exit(_failed(_CLOCK))


def why_lacking(packages: Mapping[str, str], requirements: str, otherwise: str = "") -> str | None:
    """Return that packages are missing and how to install them, as `needs packages that ...`; None if all are there.

    packages: by their modules.  requirements: their file in a checkout.  otherwise: another way there.
    """
    missing = [package for module, package in packages.items() if not _is_there(module)]
    if not missing:
        return None
    what = f"needs packages that are not installed here ({', '.join(missing)})"
    if __name__.startswith(f"{_NAME}."):
        return f"{what}: `pip install {' '.join(_pinned(missing))}`"
    return f"{what}: `pip install -r {requirements}`" + (f", or {otherwise}" if otherwise else "")


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # a package around it
        return False


def _pinned(packages: list[str]) -> list[str]:
    """Return packages with the versions that the installed distribution names for them."""
    from importlib.metadata import PackageNotFoundError, requires  # noqa: PLC0415 - only where something is missing

    try:
        named = [each.partition(";")[0].strip() for each in requires(_NAME) or ()]
    except PackageNotFoundError:
        named = []
    return [next((each for each in named if each.partition("==")[0] == package), package) for package in packages]


def _failed(text: str) -> int:
    print(text, file=sys.stderr)
    return 2
