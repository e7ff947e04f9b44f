"""The client commands as tests run them: in this process, with real brokers, and ended when the test wants it."""

from __future__ import annotations

import io
import json
import re
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import pytest

from cli.clients.bad_actor import run_bad_actor
from cli.clients.clock import Clock
from cli.clients.controller.command import run_controller
from cli.clients.publish import run_pub
from cli.clients.subscribe import run_sub
from cli.commands import parse
from cli.options.clients import BadActorOptions, ControllerOptions, ObserveOptions, PubOptions, SubOptions
from tests.support.processes.waiting import wait_until

_RUN: Mapping[type, Any] = {
    PubOptions: run_pub,
    SubOptions: run_sub,
    ObserveOptions: run_sub,
    BadActorOptions: run_bad_actor,
    ControllerOptions: run_controller,
}
PATIENCE_SECONDS = 30.0
"""For what is sure to come, however busy the machine is."""
_NEVER_ENDS = {"sub", "observe", "controller"}
DYNAMIC_SECURITY = next(Path("/usr/lib").glob("*/mosquitto_dynamic_security.so"), None)
needs_dynamic_security = pytest.mark.skipif(
    DYNAMIC_SECURITY is None, reason="needs mosquitto's plugin for dynamic security"
)


class Ended(NamedTuple):
    """How a command has ended: exit code, standard output, standard error."""

    code: int
    out: str
    err: str


def run(port: int, *arguments: str, environ: Mapping[str, str] | None = None, **more: object) -> Ended:
    """Run a command at a broker on loopback until it ends by itself."""
    out, err = io.StringIO(), io.StringIO()
    options = parse(arguments, "0")
    variables = {"MQTT_BROKER": "127.0.0.1", "MQTT_PORT": str(port), **(environ or {})}
    clock = Clock(time.time, time.monotonic, time.sleep)
    code = _RUN[type(options)](options, variables, clock, **more, out=out, err=err)
    return Ended(code, out.getvalue(), err.getvalue())


class Client:
    """A command that runs in a thread until the block ends: then its time is over."""

    def __init__(self, port: int, *arguments: str, environ: Mapping[str, str] | None = None) -> None:
        seconds = ["--seconds", "9000"] if arguments[0] in _NEVER_ENDS and "--seconds" not in arguments else []
        self._options = parse([*arguments, *seconds], "0")
        self._environ = {"MQTT_BROKER": "127.0.0.1", "MQTT_PORT": str(port), **(environ or {})}
        self._skipped = 0.0
        self._thread = threading.Thread(target=self._run)
        self.out, self.err = io.StringIO(), io.StringIO()
        self.code: int | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._skipped = 10_000.0
        self._thread.join()

    def says(self, pattern: str, seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until output or notes match."""
        wait_until(lambda: re.search(pattern, self.text, re.MULTILINE), seconds, f"{pattern!r} in {self.text!r}")

    def ends(self, seconds: float = PATIENCE_SECONDS) -> Ended:
        """Wait until it ends by itself."""
        self._thread.join(seconds)
        assert self.code is not None, f"has not ended: {self.text}"
        return Ended(self.code, self.out.getvalue(), self.err.getvalue())

    @property
    def text(self) -> str:
        """Output and notes so far."""
        return self.out.getvalue() + self.err.getvalue()

    def _run(self) -> None:
        clock = Clock(time.time, lambda: time.monotonic() + self._skipped, time.sleep)
        self.code = _RUN[type(self._options)](self._options, self._environ, clock, out=self.out, err=self.err)


def ended_once(said: str, port: int, *arguments: str, environ: Mapping[str, str] | None = None) -> Ended:
    """Run a command until it has said something: then its time is over."""
    with Client(port, *arguments, environ=environ) as client:
        client.says(said)
    return client.ends()


def dynamic_security(path: Path, roles: Mapping[str, Sequence[Mapping[str, object]]]) -> dict[str, object]:
    """Return the options of a mosquitto whose clients may do what their roles allow, and nothing else.

    roles: the ACL of each role; that of `anonymous` is for clients without a name.
    """
    access = {"publishClientSend": False, "publishClientReceive": True, "subscribe": False, "unsubscribe": True}
    rules = {
        "defaultACLAccess": access,
        "anonymousGroup": "anonymous",
        "groups": [{"groupname": "anonymous", "roles": [{"rolename": "anonymous"}]}],
        "roles": [{"rolename": name, "acls": [*acls]} for name, acls in roles.items()],
        "clients": [],
    }
    path.write_text(json.dumps(rules))
    return {"plugin": DYNAMIC_SECURITY, "plugin_opt_config_file": path}
