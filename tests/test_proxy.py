"""The tests' proxy breaks a link as it says, and in no other way."""

from __future__ import annotations

import itertools
import socket
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import pytest

from tests.support.brokers.mosquitto import Mosquitto
from tests.support.brokers.proxy import Proxy
from tests.support.brokers.subscriber import Recorder
from tests.support.processes.ports import free_port
from tests.support.processes.waiting import wait_until


class Link(NamedTuple):
    """One TCP connection through a proxy, with both its ends."""

    proxy: Proxy
    client: socket.socket
    server: socket.socket


@pytest.fixture
def link() -> Iterator[Link]:
    """An open connection through a proxy."""
    with socket.create_server(("127.0.0.1", 0)) as listener, Proxy(listener.getsockname()[1]) as proxy:
        client = socket.create_connection(("127.0.0.1", proxy.port), timeout=5)
        server, _ = listener.accept()
        server.settimeout(5)
        with client, server:
            yield Link(proxy, client, server)


def received(end: socket.socket, count: int) -> bytes:
    """Exactly `count` bytes."""
    data = b""
    while len(data) < count:
        data += end.recv(count - len(data))
    return data


def is_reset(end: socket.socket) -> bool:
    """Whether reading ends in ECONNRESET, and not in the end of the stream."""
    try:
        end.recv(1)
    except ConnectionResetError:
        return True
    return False


def test_a_proxy_forwards_and_counts(link: Link) -> None:
    """Bytes pass both ways unchanged; the counters tell how many."""
    link.client.sendall(b"request")
    assert received(link.server, 7) == b"request"
    link.server.sendall(b"yes")
    assert received(link.client, 3) == b"yes"
    assert link.proxy.bytes_forwarded == {"up": 7, "down": 3}


def test_a_delay_is_paid_each_way(link: Link) -> None:
    """With 0.1 s of delay a round trip takes at least 0.2 s."""
    link.proxy.delay(0.1)
    start = time.monotonic()
    link.client.sendall(b"ping")
    link.server.sendall(received(link.server, 4))
    assert received(link.client, 4) == b"ping"
    assert time.monotonic() - start >= 0.2


def test_a_stall_holds_bytes_and_keeps_sockets_open(link: Link) -> None:
    """While stalled nothing arrives and nobody is told; after restore it all arrives."""
    link.proxy.stall()
    link.client.sendall(b"held")
    link.server.settimeout(0.2)
    with pytest.raises(TimeoutError):
        link.server.recv(1)
    link.proxy.restore()
    assert received(link.server, 4) == b"held"


def test_a_stalled_proxy_pushes_back(link: Link) -> None:
    """A sender into a stalled link is blocked in the end, as on a real one, not fed from endless memory."""
    link.proxy.stall()
    link.client.settimeout(0.5)
    with pytest.raises(TimeoutError):
        link.client.sendall(bytes(64 * 2**20))


def test_a_cut_closes_both_ends(link: Link) -> None:
    """After cut both ends read the end of the stream."""
    link.proxy.cut()
    assert (link.client.recv(1), link.server.recv(1)) == (b"", b"")


def test_a_reset_resets_both_ends(link: Link) -> None:
    """After reset both ends read ECONNRESET, even from a stalled link."""
    link.proxy.stall()
    link.proxy.reset()
    assert is_reset(link.client)
    assert is_reset(link.server)


@pytest.mark.parametrize("fault", [Proxy.cut, Proxy.reset])
def test_a_proxy_serves_new_connections(mosquitto: Mosquitto, fault: Callable[[Proxy], None]) -> None:
    """cut and reset end what is open, not the service: a subscriber comes back through the same port."""
    with Proxy(mosquitto.ports["plain"]) as proxy, Recorder(proxy.port) as recorder:
        fault(proxy)
        wait_until(lambda: len(recorder.sessions) == 2, 30, "the subscriber is back")
        assert (recorder.sessions, proxy.connections) == ([False, True], 2)


def test_an_end_of_stream_passes_behind_its_data(link: Link) -> None:
    """Half a connection that is closed stays half: the other way still works."""
    link.client.sendall(b"last")
    link.client.shutdown(socket.SHUT_WR)
    assert (received(link.server, 4), link.server.recv(1)) == (b"last", b"")
    link.server.sendall(b"answer")
    assert received(link.client, 6) == b"answer"


def test_a_proxy_to_nowhere_resets() -> None:
    """With no server behind it, a proxy resets whoever connects, sometimes before connect() has returned."""
    with (
        Proxy(free_port()) as proxy,
        pytest.raises(ConnectionResetError),
        socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as client,
    ):
        client.recv(1)


def test_a_proxy_never_reorders(link: Link) -> None:
    """Whatever is done to the delay and the flow meanwhile, bytes arrive in the order in which they were sent."""
    proxy = link.proxy
    faults: Iterator[Callable[[], None]] = itertools.cycle(
        [partial(proxy.delay, 0.05), proxy.stall, proxy.restore, partial(proxy.delay, 0.01)]
    )
    words = [number.to_bytes(4, "big") for number in range(400)]
    for number, word in enumerate(words):
        link.client.sendall(word)
        if number % 25 == 0:
            next(faults)()
    proxy.restore()
    assert received(link.server, 1600) == b"".join(words)
