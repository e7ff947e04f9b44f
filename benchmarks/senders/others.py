"""Those we compare with: stock paho, paho waiting for each acknowledgement, and mosquitto_pub."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import time
from contextlib import suppress

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks.broker import program
from benchmarks.case import Case, Measured, Stopwatch, rows_of
from benchmarks.proc import memory_bytes

_SECONDS, _LOOK_SECONDS = 60.0, 0.02
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
    began, seen = time.perf_counter(), list[int]()
    with subprocess.Popen(call, stdin=rows) as process:  # noqa: S603 - found by its name
        # Beside the wait: one with a time limit would look only now and then whether the end has come.
        looking = threading.Thread(target=_look, args=(process.pid, seen))
        looking.start()
        code = process.wait()
        seconds, spent = time.perf_counter() - began, os.times()
        looking.join()
    if code:
        raise RuntimeError(f"mosquitto_pub ended with {code}")
    return Measured(messages, seconds, spent.children_user + spent.children_system, max(seen, default=0))


def _look(pid: int, seen: list[int]) -> None:
    """Note a process's memory until it ends."""
    with suppress(ProcessLookupError):
        while True:
            seen.append(memory_bytes(pid, "VmHWM"))
            time.sleep(_LOOK_SECONDS)


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
