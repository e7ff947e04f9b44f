"""The brokers of the storms, each a process of its own with two plain ports: one for K8S-SAT, one for anyone."""

from __future__ import annotations

import asyncio
import multiprocessing
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks.broker import program
from edge.mqtt.devices.open_files import raise_limit
from sandbox.access import Anyone, ServiceAccountTokens
from sandbox.broker import EmbeddedBroker, Limits, Listener
from sandbox.credentials import TokenIssuer
from tests.support.brokers import plugin
from tests.support.processes.ports import free_port
from tests.support.processes.waiting import wait_until

_START_SECONDS, _STOP_SECONDS = 10.0, 10.0
_MOST_CONNECTIONS = 19_000
_MOSQUITTO = """\
per_listener_settings true
user root
log_dest stderr
max_inflight_messages 1000
max_queued_messages 0
listener {sat} 127.0.0.1
allow_anonymous false
plugin {plugin}
plugin_opt_public_key_file {key}
plugin_opt_audience aio-internal
listener {plain} 127.0.0.1
allow_anonymous true
"""


class Ports(NamedTuple):
    """The ports of a broker: for clients with a token, for anyone, and its process."""

    sat: int
    plain: int
    pid: int


@contextmanager
def mosquitto(directory: Path, issuer: TokenIssuer) -> Iterator[Ports]:
    """Run mosquitto, with the plugin of the tests, which verifies the tokens of this issuer."""
    sat, plain = free_port(), free_port()
    key, config = directory / "issuer.pub", directory / "mosquitto.conf"
    key.write_bytes(issuer.public_pem)
    config.write_text(_MOSQUITTO.format(sat=sat, plain=plain, plugin=plugin.build(), key=key))
    raise_limit(_MOST_CONNECTIONS)
    with (directory / "mosquitto.log").open("ab") as log:
        process = subprocess.Popen([program("mosquitto"), "-c", str(config)], stdin=subprocess.DEVNULL, stderr=log)  # noqa: S603 - ours
    try:
        wait_until(lambda: _accepts(plain), _START_SECONDS, "mosquitto is running")
        yield Ports(sat, plain, process.pid)
    finally:
        process.terminate()
        process.wait(_STOP_SECONDS)


@contextmanager
def sandbox(_directory: Path, issuer: TokenIssuer) -> Iterator[Ports]:
    """Run the embedded broker in a process of its own."""
    sat, plain = free_port(), free_port()
    process = multiprocessing.get_context("fork").Process(target=_serve, args=(sat, plain, issuer), daemon=True)
    process.start()
    try:
        wait_until(lambda: _accepts(plain), _START_SECONDS, "the embedded broker is running")
        yield Ports(sat, plain, process.pid or 0)
    finally:
        process.terminate()
        process.join(_STOP_SECONDS)


def _serve(sat: int, plain: int, issuer: TokenIssuer) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise_limit(_MOST_CONNECTIONS)
    asyncio.run(_run(sat, plain, issuer))


async def _run(sat: int, plain: int, issuer: TokenIssuer) -> None:
    listeners = (Listener(port=sat, access=ServiceAccountTokens(issuer)), Listener(port=plain, access=Anyone()))
    async with EmbeddedBroker(*listeners, limits=Limits(queue_messages=10_000_000, queue_bytes=2**32)):
        await asyncio.Event().wait()


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1.0).close()
    except OSError:
        return False
    return True
