"""The compiled form of sat_auth.c, and what this machine lacks to make and use it."""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

PACKAGES = "mosquitto mosquitto-clients mosquitto-dev libmosquitto-dev libjwt-dev libcjson-dev gcc"

_SOURCE = Path(__file__).with_name("sat_auth.c")
_BUILD = Path(__file__).parents[3] / "build" / "tests"
_FLAGS = ["-std=c11", "-D_POSIX_C_SOURCE=200809L", "-O2", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
_LINK = ["-fPIC", "-shared", "-ljwt", "-lcjson"]
# Debian puts the daemon where only root's PATH looks.
_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])


NO_MOSQUITTO = "no mosquitto with the K8S-SAT plugin"
"""How the reason of every such skip begins."""


class Unavailable(Exception):
    """A program or header that the tests' mosquitto needs is not on this machine."""


def program(name: str) -> str:
    """The path of an installed program, or Unavailable."""
    path = shutil.which(name, path=_PATH)
    if path is None:
        raise Unavailable(f"{name} is not installed")
    return path


@functools.cache
def why_unavailable() -> str | None:
    """What is missing here, or None when mosquitto and its plugin can be used; compiles the plugin when need be."""
    try:
        for name in ("mosquitto", "mosquitto_passwd"):
            program(name)
        build()
    except Unavailable as missing:
        return f"{NO_MOSQUITTO} here, as {missing} (apt-get install {PACKAGES})"
    return None


def build() -> Path:
    """The plugin's shared object, compiled once for each state of its source; CalledProcessError if it has faults."""
    compiler = program("gcc")
    state = hashlib.sha256(_SOURCE.read_bytes() + " ".join(_FLAGS + _LINK).encode()).hexdigest()[:12]
    built = _BUILD / f"sat_auth-{state}.so"
    if not built.exists():
        _require_headers(compiler)
        _compile(compiler, built)
    return built


def _require_headers(compiler: str) -> None:
    result = subprocess.run(
        [compiler, "-E", str(_SOURCE), "-o", os.devnull], capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        raise Unavailable(result.stderr.partition("\n")[0])


def _compile(compiler: str, built: Path) -> None:
    """Under a name of its own first: another test run may be compiling, or already using, the same plugin."""
    built.parent.mkdir(parents=True, exist_ok=True)
    partial = built.with_suffix(f".{os.getpid()}")
    subprocess.run([compiler, *_FLAGS, str(_SOURCE), "-o", str(partial), *_LINK], check=True)
    partial.replace(built)
