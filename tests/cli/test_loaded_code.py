"""A start loads the code of its own command, and of no other: they would cost a pod time and memory."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence

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


LOADED = """
import json, os, sys, app
for arguments in json.loads(sys.argv[1]):
    if not os.fork():
        app.parse(arguments, "0")
        print(arguments[0], *sys.modules, flush=True)
        os._exit(0)
    os.wait()
"""
"""Prints the modules that are there once each command is parsed, in a process of its own that has begun alike."""


@pytest.fixture(scope="module")
def loaded() -> Mapping[str, Sequence[str]]:
    """The modules by command."""
    more = {"ctl": ["reload"], "sub": ["--topic", "a"]}
    arguments = json.dumps([[command, *more.get(command, ())] for command in OTHERS])
    call = [sys.executable, "-c", LOADED, arguments]
    told = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return {command: names for command, *names in map(str.split, told.splitlines())}


@pytest.mark.parametrize("command", OTHERS)
def test_a_command_is_parsed_without_the_code_of_the_others(command: str, loaded: Mapping[str, Sequence[str]]) -> None:
    """Its options are enough."""
    packages = {".".join(name.split(".")[:depth]) for name in loaded[command] for depth in (2, 3)}

    assert "cli.options" in packages
    assert packages & OTHERS[command] == set()
