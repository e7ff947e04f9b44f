"""A real ejabberd on free loopback ports: another broker, in another language, of another vendor.

It runs as one Erlang process of the test's own, with a configuration and a database in the test's folder, and neither
Erlang's distribution nor its port mapper: nothing of it is reachable from elsewhere, and nothing is left behind.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

from tests.support.processes.ports import free_port
from tests.support.processes.waiting import wait_until

NO_EJABBERD = "no ejabberd"
"""How the reason of every such skip begins."""
HOST = "localhost"

_START_SECONDS = 40.0
_REGISTERED = "users-are-registered"
_TAIL_LINES = 40


def why_unavailable() -> str | None:
    """Why ejabberd cannot run here, with what to do about it; None if it can."""
    if shutil.which("erl") and _libraries() is not None:
        return None
    return f"{NO_EJABBERD} here (as root on Debian or Ubuntu: sh tests/setup_ejabberd.sh)"


def _libraries() -> Path | None:
    """Where Debian's package has its Erlang code; it is another folder on each architecture."""
    found = sorted(Path("/usr/lib").glob("*/ejabberd-*/ebin/ejabberd.app"))
    return found[0].parents[2] if found else None


class Ejabberd:
    """Context manager: a running broker; what it says goes to a log file in `directory`.

    users: passwords by name.  rules: a file with mod_mqtt and its access rules, as `export acl` writes it; without one
    everything is allowed.  mqtt_port: MQTT over TCP.  websocket_port: MQTT over WebSocket, at the path /mqtt.
    """

    def __init__(self, directory: Path, users: Mapping[str, str], *, rules: Path | None = None) -> None:
        self.mqtt_port, self.websocket_port = free_port(), free_port()
        self._directory, self._users, self._rules = directory, users, rules
        self._log = directory / "ejabberd.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        (self._directory / "database").mkdir(parents=True, exist_ok=True)
        (self._directory / "ejabberd.yml").write_text(self._configuration())
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command(), env=self._environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            wait_until(self._is_up, _START_SECONDS, "ejabberd is running")
        except BaseException as error:
            error.add_note(self.log_tail())
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """End it on the spot: its database goes with the test's folder."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process = None

    def log_tail(self) -> str:
        """The last lines of its log."""
        return "\n".join(["ejabberd's log ends:", *self._log.read_text(errors="replace").splitlines()[-_TAIL_LINES:]])

    def _is_up(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError(f"ejabberd ended with {self._process.returncode}")
        return _REGISTERED.encode() in self._log.read_bytes()

    def _command(self) -> list[str]:
        quiet = ["+sbwt", "none", "+sbwtdcpu", "none", "+sbwtdio", "none"]  # it would spin on cores that others need
        database = ["-mnesia", "dir", f'"{self._directory}/database"']
        return ["erl", *quiet, "-noinput", *database, "-s", "ejabberd", "-eval", self._registration()]

    def _registration(self) -> str:
        pairs = ", ".join(f"{{<<{_text(name)}>>, <<{_text(word)}>>}}" for name, word in self._users.items())
        register = f'ok = ejabberd_auth:try_register(Name, <<"{HOST}">>, Word)'
        return f'[{register} || {{Name, Word}} <- [{pairs}]], io:format("{_REGISTERED}~n").'

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self._directory),
            "ERL_LIBS": str(_libraries()),
            "EJABBERD_CONFIG_PATH": str(self._directory / "ejabberd.yml"),
            "EJABBERD_LOG_PATH": str(self._directory / "own.log"),
            "ERL_CRASH_DUMP": os.devnull,
        }

    def _configuration(self) -> str:
        return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        yield from (f"hosts: [{HOST}]", "loglevel: warning", "auth_password_format: plain", "listen:")
        yield f'  - {{port: {self.mqtt_port}, ip: "127.0.0.1", module: mod_mqtt, backlog: 1000}}'
        yield f'  - {{port: {self.websocket_port}, ip: "127.0.0.1", module: ejabberd_http,'
        yield "     request_handlers: {/mqtt: mod_mqtt}}"
        if self._rules is None:
            yield "modules: {mod_mqtt: {}}"
        else:
            yield f'include_config_file: ["{self._rules}"]'


def _text(value: str) -> str:
    """A text in Erlang."""
    assert not set(value) & set('"\\'), value
    return f'"{value}"/utf8'
