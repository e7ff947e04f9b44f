"""A real mosquitto for the benchmark, and its own count of what arrived."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from sandbox.credentials import Authority, write_key_pair
from tests.support.processes.ports import free_port
from tests.support.processes.waiting import wait_until

_START_SECONDS, _COUNT_SECONDS, _STOP_SECONDS = 10.0, 10.0, 10.0
_TOLD_SECONDS = 1.5
"""Within which the broker has said what it counts: it does so once a second."""
_RECEIVED = "$SYS/broker/publish/messages/received"
_CONFIG = """\
per_listener_settings false
user root
log_dest stderr
sys_interval 1
max_inflight_messages 0
max_queued_messages 0
allow_anonymous true
listener {plain} 127.0.0.1
listener {tls} 127.0.0.1
certfile {cert}
keyfile {key}
"""


def program(name: str) -> str:
    """Where one of mosquitto's programs is; FileNotFoundError where it is not installed."""
    path = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))
    found = shutil.which(name, path=path)
    if found is None:
        raise FileNotFoundError(f"{name} is needed (on Debian and Ubuntu: apt-get install mosquitto mosquitto-clients)")
    return found


class BenchBroker:
    """Context manager: mosquitto with a plain and a TLS listener and a throw-away CA; its files are in `directory`.

    received: PUBLISHes so far, as the broker says once a second.
    """

    def __init__(self, directory: Path) -> None:
        self.port, self.tls_port = free_port(), free_port()
        self.ca_file = directory / "ca.crt"
        self._directory = directory
        self.received = 0
        self._changed = threading.Event()

    def __enter__(self) -> Self:
        authority = Authority()
        self.ca_file.write_bytes(authority.ca_pem)
        cert, key = write_key_pair(self._directory, authority.server_certificate())
        config = self._directory / "mosquitto.conf"
        config.write_text(_CONFIG.format(plain=self.port, tls=self.tls_port, cert=cert, key=key))
        with (self._directory / "mosquitto.log").open("ab") as log:
            call = [program("mosquitto"), "-c", str(config)]
            self._process = subprocess.Popen(call, stdin=subprocess.DEVNULL, stderr=log)  # noqa: S603 - ours
        try:
            self._watch()
        except BaseException:
            self._process.kill()
            self._process.wait()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def count(self) -> int:
        """What it has counted by now, for who sends nothing meanwhile; on a busy machine it may be late to say so."""
        before = -1
        while before != self.received:
            before = self.received
            time.sleep(_TOLD_SECONDS)
        return self.received

    def count_to(self, wanted: int) -> int:
        """Wait until the broker has counted so many, then what it has counted; fewer only after ten seconds."""
        deadline = time.monotonic() + _COUNT_SECONDS
        while self.received < wanted and time.monotonic() < deadline:
            self._changed.wait(0.1)
            self._changed.clear()
        return self.received

    @contextmanager
    def stalled(self) -> Iterator[None]:
        """Stop the process for so long: it reads nothing and answers nobody, and every connection stays."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def _watch(self) -> None:
        self._client = paho.Client(CallbackAPIVersion.VERSION2, "bench-count", protocol=paho.MQTTv5)
        self._client.on_connect = lambda client, *_: client.subscribe(_RECEIVED)
        self._client.on_message = self._on_message
        wait_until(self._connected, _START_SECONDS, "mosquitto is running")
        self._client.loop_start()

    def _connected(self) -> bool:
        if self._process.poll() is not None:
            raise RuntimeError((self._directory / "mosquitto.log").read_text(errors="replace"))
        try:
            self._client.connect("127.0.0.1", self.port)
        except OSError:
            return False
        return True

    def _on_message(self, _client: object, _data: object, message: paho.MQTTMessage) -> None:
        self.received = int(message.payload)
        self._changed.set()
