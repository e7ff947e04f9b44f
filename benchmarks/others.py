"""Those we compare with: stock paho, paho waiting for each acknowledgement, and mosquitto_pub."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import time

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks.broker import program
from benchmarks.case import Case, Measured, Stopwatch, rows_of

_SECONDS = 60.0
_TOPIC = "factory/bench"


def stock_paho(case: Case) -> Measured:
    """A loop of `publish()`, with paho's own thread and window of 20 (`max_inflight_messages`)."""
    payloads, client = _payloads(case), _client(case)
    left, done = len(payloads), threading.Event()

    def on_publish(*_: object) -> None:
        nonlocal left
        left -= 1
        if not left:
            done.set()

    client.on_publish = on_publish
    watch = Stopwatch()
    for payload in payloads:
        client.publish(_TOPIC, payload, case.qos)
    if not done.wait(_SECONDS):
        raise TimeoutError(f"{left} messages of stock paho not acknowledged")
    return _leave(client, watch.stop(len(payloads)))


def wait_each(case: Case) -> Measured:
    """paho's `publish()` and `wait_for_publish()`, one message after the other."""
    payloads, client = _payloads(case), _client(case)
    watch = Stopwatch()
    for payload in payloads:
        client.publish(_TOPIC, payload, case.qos).wait_for_publish(_SECONDS)
    return _leave(client, watch.stop(len(payloads)))


def mosquitto_pub(case: Case) -> Measured:
    """`mosquitto_pub -l`, one row a line. Its time includes its start and connect, some milliseconds."""
    tls = ["--cafile", case.ca_file] if case.ca_file else []
    where = ["-h", "127.0.0.1", "-p", str(case.port), *tls]
    call = [program("mosquitto_pub"), *where, "-V", "5", "-t", _TOPIC, "-q", str(case.qos), "-l"]
    with tempfile.TemporaryFile() as lines:
        lines.writelines(payload + b"\n" for payload in _payloads(case))
        lines.seek(0)
        return _timed(call, lines.fileno(), case.messages)


def _timed(call: list[str], rows: int, messages: int) -> Measured:
    began = time.perf_counter()
    subprocess.run(call, stdin=rows, check=True, timeout=_SECONDS)  # noqa: S603 - found by its name
    seconds, spent = time.perf_counter() - began, os.times()
    return Measured(messages, seconds, spent.children_user + spent.children_system, 0)


def _payloads(case: Case) -> list[bytes]:
    return [row.payload for row in rows_of(case)]


def _client(case: Case) -> paho.Client:
    connected = threading.Event()
    client = paho.Client(CallbackAPIVersion.VERSION2, "bench-paho", protocol=paho.MQTTv5)
    client.on_connect = lambda *_: connected.set()
    if case.ca_file:
        client.tls_set(case.ca_file)
    client.connect("127.0.0.1", case.port)
    client.loop_start()
    if not connected.wait(_SECONDS):
        raise TimeoutError("paho did not connect")
    return client


def _leave(client: paho.Client, measured: Measured) -> Measured:
    client.disconnect()
    client.loop_stop()
    return measured
