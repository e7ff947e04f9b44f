"""MQTT 5 on a bare socket: the limit, and the mark that shows when a broker has read everything."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator, Sequence
from itertools import cycle

from benchmarks.case import WINDOW, Case, Measured, Stopwatch, config_of, rows_of
from edge.mqtt.protocol.codec import CloudEvents, Encoder, text, varint
from edge.mqtt.session import FIRST_OWN_ID, LAST_OWN_ID
from edge.routing import TopicRouter
from messages import topic_template
from plant.telemetry import Message

_SILENCE_SECONDS = 30.0
_READ_BYTES = 262_144
_BATCH = WINDOW // 4
_MARK_TOPIC = "bench/end"
_CONNECT, _SUBSCRIBE, _DISCONNECT = 0x10, 0x82, b"\xe0\x00"
MARK = Message("mark", "mark", None, 0, 1, b"{}")
"""The last message of a QoS 0 run: who gets it knows that the broker has read all before it."""


def encoder_for(case: Case) -> Encoder:
    """What makes our frames, for our sender and for the limit."""

    config = config_of(case)

    def template(kind: str) -> str:
        return _MARK_TOPIC if kind == MARK.kind else topic_template(config, kind)

    events = CloudEvents("aio://edgemqttsim", "bench") if case.events else None
    return Encoder(TopicRouter(template, "factory").topic, events=events)


def connect(port: int, ca_file: str, client_id: str) -> socket.socket:
    """A socket of a client that was let in; keep-alive off, a new session (MQTT 5, 3.1)."""
    plain = socket.create_connection(("127.0.0.1", port), _SILENCE_SECONDS)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock = _encrypted(plain, ca_file) if ca_file else plain
    body = text("MQTT") + b"\x05\x02\x00\x00\x00" + text(client_id)
    sock.sendall(bytes((_CONNECT,)) + varint(len(body)) + body)
    if sock.recv(1024)[3:4] != b"\x00":
        raise ConnectionError("the broker did not let the benchmark in")
    return sock


def _encrypted(sock: socket.socket, ca_file: str) -> socket.socket:
    return ssl.create_default_context(cafile=ca_file).wrap_socket(sock, server_hostname="127.0.0.1")


def disconnect(sock: socket.socket) -> None:
    """Leave in good order."""
    sock.sendall(_DISCONNECT)
    sock.close()


def subscribe(sock: socket.socket, topic_filter: str) -> None:
    """Ask for such messages at QoS 0 (MQTT 5, 3.8), and wait for the answer."""
    body = b"\x00\x01\x00" + text(topic_filter) + b"\x00"
    sock.sendall(bytes((_SUBSCRIBE,)) + varint(len(body)) + body)
    sock.recv(1024)


class Listener:
    """Waits for the first message of a topic filter, on a plain connection of its own."""

    def __init__(self, port: int, topic_filter: str = _MARK_TOPIC) -> None:
        self._sock = connect(port, "", "bench-listener")
        subscribe(self._sock, topic_filter)

    def wait(self) -> None:
        """Return once it is there; TimeoutError after half a minute."""
        if not self._sock.recv(1024):
            raise ConnectionError("the broker closed before a message came")
        disconnect(self._sock)


def limit(case: Case) -> Measured:
    """Ready frames written in batches as fast as they are acknowledged: no sender on one connection can do better.

    As `limit_quick` it acknowledges what it reads at once, if it has nothing to write. Without that the kernel may wait
    for 40 ms, and with it a broker that holds small answers back (Nagle); with it both have more to do. Which is faster
    differs, by TLS and by chance.
    """
    frames = _frames(case)
    sock = connect(case.port, case.ca_file, "bench-limit")
    replay = _replay if case.qos else _pour
    measured = replay(sock, frames, case)
    disconnect(sock)
    return measured


def _frames(case: Case) -> list[bytes]:
    encoder, rows = encoder_for(case), rows_of(case)
    ids: Iterator[int | None] = cycle(range(FIRST_OWN_ID, LAST_OWN_ID + 1)) if case.qos else cycle([None])
    return [encoder.frame(row, packet_id) for row, packet_id in zip(rows, ids, strict=False)]


def _replay(sock: socket.socket, frames: Sequence[bytes], case: Case) -> Measured:
    watch, sent, answered, answer_bytes = Stopwatch(), 0, 0, 0
    while answered < len(frames):
        room = WINDOW - (sent - answered)
        if room >= _BATCH and sent < len(frames):
            sock.sendall(b"".join(frames[sent : sent + room]))
            sent = min(len(frames), sent + room)
        elif case.sender == "limit_quick":
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        data = sock.recv(_READ_BYTES)
        if not data:
            raise ConnectionError("the broker closed the connection")
        if not answer_bytes:
            # All PUBACKs of a run have the same reason, so the same length (MQTT 5, 3.4.2.1).
            size = 2 + data[1]
        answer_bytes += len(data)
        answered = answer_bytes // size
    return watch.stop(len(frames))


def _pour(sock: socket.socket, frames: Sequence[bytes], case: Case) -> Measured:
    """QoS 0, plain: nothing comes back, so the end is when the mark does."""
    mark, final = Listener(case.port), encoder_for(case).frame(MARK, None)
    watch = Stopwatch()
    for start in range(0, len(frames), WINDOW):
        sock.sendall(b"".join(frames[start : start + WINDOW]))
    sock.sendall(final)
    mark.wait()
    return watch.stop(len(frames))
