"""Check of Python and the installed packages, before anything else is imported; so it imports nothing itself."""

from __future__ import annotations

import sys
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

DEMO_PACKAGES = {"cryptography": "cryptography", "jwt": "PyJWT", "mqtt5": "mqtt5"}
"""Modules that the embedded broker of `--demo` imports in addition -> their packages in sandbox/requirements.txt."""

_NAME = "edgemqttsim"


def require() -> None:
    """Exit with 2 and one line where Python is too old or a package is missing."""
    if sys.version_info < (3, 11):  # noqa: UP036 - this is the check
        sys.exit(_failed(f"edgemqttsim needs Python 3.11 or newer; this is {sys.version.split()[0]}"))
    if lacking := why_lacking(PACKAGES, "requirements.txt", "`make run` once and then .venv/bin/python app.py"):
        sys.exit(_failed(f"edgemqttsim {lacking}"))


def why_lacking(packages: Mapping[str, str], requirements: str, otherwise: str = "") -> str | None:
    """Return that packages are missing and how to install them, as `needs packages that ...`; None if all are there.

    packages: by their modules.  requirements: their file in a checkout.  otherwise: another way there.
    """
    missing = [package for module, package in packages.items() if find_spec(module) is None]
    if not missing:
        return None
    what = f"needs packages that are not installed here ({', '.join(missing)})"
    if __name__.startswith(f"{_NAME}."):
        return f"{what}: `pip install {' '.join(_pinned(missing))}`"
    return f"{what}: `pip install -r {requirements}`" + (f", or {otherwise}" if otherwise else "")


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
