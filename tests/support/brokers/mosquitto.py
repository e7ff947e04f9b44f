"""A real mosquitto on free loopback ports, with what the tests ask of it: the independent counterpart.

It serves any of six listeners at once, each with rules of its own: `sat` (TLS, K8S-SAT by the plugin beside this
module), `plain` (anonymous), `websocket` (the same over WebSocket), `password` (TLS, username and password), `x509`
(TLS, client certificate), `closed` (only whom the options let in).
"""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from tests.support.brokers import plugin
from tests.support.brokers.credentials import AUDIENCE, Credentials
from tests.support.brokers.subscriber import Access
from tests.support.processes.ports import free_port
from tests.support.processes.waiting import wait_until

USERNAME = "factory"
PASSWORD = "correct horse battery staple"

_START_SECONDS = 10.0
_STOP_SECONDS = 10.0
_TAIL_LINES = 40

_TLS = "cafile {ca_file}\ncertfile {server_cert_file}\nkeyfile {server_key_file}\n"
_LISTENERS = {
    "sat": _TLS + "allow_anonymous false\nplugin {plugin}\n"
    "plugin_opt_public_key_file {public_key_file}\nplugin_opt_audience {audience}\n",
    "plain": "allow_anonymous true\n",
    "password": _TLS + "allow_anonymous false\npassword_file {password_file}\n",
    "websocket": "protocol websockets\nallow_anonymous true\n",
    "closed": "allow_anonymous false\n",
    "x509": _TLS + "allow_anonymous false\nrequire_certificate true\nuse_identity_as_username true\n",
}
# mosquitto.conf(5): these belong to a listener, all others to the broker.
_LISTENER_OPTIONS = frozenset(
    {"acl_file", "max_connections", "max_qos", "max_topic_alias", "password_file", "plugin", "plugin_opt_config_file"}
)


class Mosquitto:
    """Context manager: a running broker; what it says goes to a log file in `directory`.

    listeners: names of the module's table.  options: mosquitto.conf(5), such as `{"max_inflight_messages": 5}`.
    persistence: sessions outlive stop() and start(). After kill() the last acknowledged messages can be missing, and
    that is mosquitto: it saves, many times a second, what it has acknowledged before.
    ports: by listener, the same over the broker's whole life.
    """

    def __init__(
        self,
        directory: Path,
        credentials: Credentials,
        *,
        listeners: Sequence[str] = ("sat", "plain"),
        options: Mapping[str, object] | None = None,
        persistence: bool = False,
    ) -> None:
        self.credentials = credentials
        self.ports = {name: free_port() for name in listeners}
        self._directory = directory
        self._log = directory / "mosquitto.log"
        self._config = directory / "mosquitto.conf"
        self._options = (_persistence(directory) if persistence else {}) | dict(options or {})
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._directory.mkdir(parents=True, exist_ok=True)
        if "password" in self.ports:
            self._write_password_file()
        self._config.write_text(self._configuration())
        self.start()
        return self

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        self.stop()
        if error is not None:
            error.add_note(self.log_tail())

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self._process else None

    def access(self, listener: str) -> Access:
        """What a good client needs to get in at a listener."""
        return _ACCESS[listener](self.credentials)

    def start(self) -> None:
        """Start and wait until all listeners are open. RuntimeError with the log if it ends instead."""
        seen = self._log.stat().st_size if self._log.exists() else 0
        command = [plugin.program("mosquitto"), "-c", str(self._config)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            wait_until(lambda: self._is_up(seen), _START_SECONDS, "mosquitto is running")
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """Let it save and end (SIGTERM); SIGKILL if it does not within ten seconds. Nothing if it is not running."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()
        self._process = None

    def kill(self) -> None:
        """End it on the spot (SIGKILL): no DISCONNECT, nothing saved."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process = None

    def restart(self) -> None:
        """Stop it if it runs, and start it on the same ports with the sessions it has saved."""
        self.stop()
        self.start()

    def save(self) -> None:
        """Have a persistent broker save its sessions, and return once they are on disk."""
        assert self._process is not None
        before = self._saved_file()
        self._process.send_signal(signal.SIGUSR1)
        wait_until(lambda: self._saved_file() != before, _STOP_SECONDS, "mosquitto has saved its sessions")

    def _saved_file(self) -> tuple[int, int] | None:
        """Which file it is: mosquitto writes a new one each time and renames it."""
        path = self._directory / "mosquitto.db"
        if not path.exists():
            return None
        status = path.stat()
        return status.st_ino, status.st_mtime_ns

    def log_tail(self) -> str:
        """The last lines of its log."""
        lines = self._log.read_text(errors="replace").splitlines() if self._log.exists() else []
        return "\n".join(["mosquitto's log ends:", *lines[-_TAIL_LINES:]])

    def _is_up(self, seen: int) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError(f"mosquitto ended with {self._process.returncode}\n{self.log_tail()}")
        return b" running" in self._log.read_bytes()[seen:]

    def _configuration(self) -> str:
        # Started by root it would otherwise become a user who cannot read the tests' files.
        broker: dict[str, object] = {"per_listener_settings": "true", "user": "root", "log_dest": "stderr"}
        # By default a subscriber 1,000 messages behind loses some, and the test would blame the publisher.
        broker["max_queued_messages"] = 0
        broker |= {key: value for key, value in self._options.items() if key not in _LISTENER_OPTIONS}
        return _lines(broker) + "".join(map(self._listener, self.ports))

    def _listener(self, name: str) -> str:
        rules = _LISTENERS[name].format(
            **vars(self.credentials),
            plugin=plugin.build() if name == "sat" else None,
            audience=AUDIENCE,
            password_file=self._directory / "passwords",
        )
        own = {key: value for key, value in self._options.items() if key in _LISTENER_OPTIONS}
        return f"listener {self.ports[name]} 127.0.0.1\n{rules}{_lines(own)}"

    def _write_password_file(self) -> None:
        path = self._directory / "passwords"
        path.write_text(f"{USERNAME}:{PASSWORD}\n")
        subprocess.run([plugin.program("mosquitto_passwd"), "-U", str(path)], check=True)


_ACCESS: dict[str, Callable[[Credentials], Access]] = {
    "sat": lambda held: Access(held.ca_file, token=held.token),
    "plain": lambda _held: Access(),
    "websocket": lambda _held: Access(),
    "password": lambda held: Access(held.ca_file, username=USERNAME, password=PASSWORD),
    "x509": lambda held: Access(held.ca_file, cert_file=held.client_cert_file, key_file=held.client_key_file),
}


def _persistence(directory: Path) -> dict[str, object]:
    """Save after each change, not each half hour."""
    location = {"persistence": "true", "persistence_location": f"{directory}/"}
    return location | {"autosave_on_changes": "true", "autosave_interval": 1}


def _lines(options: Mapping[str, object]) -> str:
    return "".join(f"{key} {value}\n" for key, value in options.items())
