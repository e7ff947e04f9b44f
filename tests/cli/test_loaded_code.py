"""A start loads the code of its own command, and of no other: they would cost a pod time and memory."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.processes.daemon import ROOT

ALL = {f"cli.{name}" for name in ["exports", "preflight", "verify", "evaluate", "ctl", "top", "scenario", "clients"]}
OTHERS = {
    "run": ALL,
    "check": ALL,
    "verify": ALL - {"cli.verify"},
    "evaluate": ALL - {"cli.evaluate"},
    "ctl": ALL - {"cli.ctl"},
    "top": ALL - {"cli.top"},
    "sub": ALL,
    "preflight": ALL - {"cli.preflight", "cli.exports"} | {"cli.exports.monitoring"},
}
"""Packages whose code each command does without."""


@pytest.mark.parametrize("command", OTHERS)
def test_a_command_is_parsed_without_the_code_of_the_others(command: str) -> None:
    """Its options are enough."""
    more = ["reload"] if command == "ctl" else ["--topic", "a"] if command == "sub" else []
    code = f"import sys, app; app.parse([{command!r}, *{more}], '0'); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)

    packages = {".".join(name.split(".")[:depth]) for name in loaded.stdout.split() for depth in (2, 3)}
    assert "cli.options" in packages
    assert packages & OTHERS[command] == set()
