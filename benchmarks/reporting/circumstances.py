"""On what and when it was measured."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import ssl
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.broker import program

_LIBRARIES = ("paho-mqtt", "orjson", "pydantic")


def circumstances(how: str = "", libraries: Sequence[str] = _LIBRARIES, *, broker: bool = True) -> str:
    """Date, machine and versions in one paragraph.

    how: a clause to follow the date.  libraries: whose versions matter.  broker: whether OpenSSL and mosquitto do.
    """
    versions = [f"{name} {importlib.metadata.version(name)}" for name in libraries]
    programs = [f"{' '.join(ssl.OPENSSL_VERSION.split()[:2])}; {_mosquitto()}"] if broker else []
    load = os.getloadavg()[0]
    return (
        f"Measured on {datetime.now(UTC):%Y-%m-%d}{how}. "
        f"{_processor()}, {os.cpu_count()} cores (load {load:.1f} as it began), {platform.system()}; "
        f"CPython {platform.python_version()}, {', '.join((*versions, *programs))}."
    )


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def _mosquitto() -> str:
    call = [program("mosquitto"), "-h"]
    said = subprocess.run(call, capture_output=True, text=True, check=False).stdout  # noqa: S603 - found by its name
    return said.partition("\n")[0]
