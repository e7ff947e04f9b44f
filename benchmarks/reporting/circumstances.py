"""On what and when it was measured."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import ssl
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.broker import program

_LIBRARIES = ("paho-mqtt", "orjson", "pydantic")


def circumstances(how: str = "") -> str:
    """Date, machine and versions in one paragraph.  how: a clause to follow the date."""
    libraries = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in _LIBRARIES)
    openssl = " ".join(ssl.OPENSSL_VERSION.split()[:2])
    load = os.getloadavg()[0]
    return (
        f"Measured on {datetime.now(UTC):%Y-%m-%d}{how}. "
        f"{_processor()}, {os.cpu_count()} cores (load {load:.1f} as it began), {platform.system()}; "
        f"CPython {platform.python_version()}, {libraries}, {openssl}; {_mosquitto()}."
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
