"""One network connection to the broker, as an asyncio protocol that stands in for paho's socket."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from struct import pack
from typing import cast

from edge.mqtt.protocol.codec import PROTOCOL_ERROR, PUBACK, Violation
from edge.mqtt.protocol.packet_reader import check_beginning, kind_of
from edge.mqtt.protocol.versions import MQTT_5, Rules

_PINGREQ = 0xC0
_CLOSE_SECONDS = 1.0
_TLS_READ_BYTES = 17 * 1024
"""A record of TLS of 16 KiB, with what it has around it."""
_RESET_ON_CLOSE = pack("ii", 1, 0)
_MOST_STRAYS = 1000
_QUICK_ACK = getattr(socket, "TCP_QUICKACK", 0)
"""Linux: acknowledge received data at once (tcp(7)); the option has to be set again each time.

A broker that writes each PUBACK by itself, with Nagle's algorithm on, as mosquitto does, otherwise keeps all but the
first until we acknowledge that, up to 40 ms later. Data that we write carry the acknowledgement with them; setting the
option then as well makes the broker send smaller pieces, which costs it up to a third of its throughput.
"""


class Transport(asyncio.Protocol):
    """One network connection: splits incoming bytes into frames, and stands in for paho's socket.

    on_pubacks: called with acknowledgements of telemetry: packet ids and the reason code that all of them have; returns
    how many of the ids were in flight.
    on_room: called once after all frames of one read, and when the transport accepts bytes again after it was full.
    on_frame: called with each frame except PUBACKs; may raise Violation, which ends the connection.
    read_by_paho: called when there are bytes for paho.
    rules: of the version of MQTT.
    fault: why we ended the connection ourselves: a Violation, or an error of our own.
    """

    def __init__(
        self,
        on_pubacks: Callable[[Sequence[int], int], int],
        on_room: Callable[[], None],
        on_frame: Callable[[bytes], None],
        read_by_paho: Callable[[], object],
        rules: Rules = MQTT_5,
    ) -> None:
        self.writable = True
        self.fault: Exception | None = None
        self._wrote = self._closing = self._begun = self._lingers = False
        self._loop = asyncio.get_running_loop()
        self.closed: asyncio.Future[Exception | None] = self._loop.create_future()
        self._on_pubacks, self._on_room = on_pubacks, on_room
        self._on_frame, self._read_by_paho = on_frame, read_by_paho
        self._rules, self._splitter = rules, rules.splitter()
        self._inbox = b""
        self._expected = self._strays = self._pings = 0
        self._transport: asyncio.Transport | None = None
        self._socket: socket.socket | None = None

    def write(self, data: bytes) -> None:
        """Send whole frames."""
        self._wrote = True
        if self._transport is not None and not self._closing:
            self._transport.write(data)

    def push(self) -> None:
        """Have the kernel send at once what it holds back for a fuller segment (tcp(7), TCP_NODELAY).

        Telemetry is held back with good reason, as fewer segments cost both ends less; who waits for an answer waits
        for 40 ms otherwise, until the broker acknowledges what was sent before.
        """
        if self._transport is not None and not self._closing:
            plug = self._transport.get_extra_info("socket")
            for is_on in (1, 0):
                plug.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, is_on)

    def pass_to_paho(self, frame: bytes) -> None:
        """Let paho read this frame."""
        self._inbox = frame
        self._read_by_paho()

    def close_for(self, violation: Violation) -> None:
        """Send DISCONNECT with the reason code, where the version has one, and close (MQTT 5, 4.13.1)."""
        self.fault = self.fault or violation
        self.write(self._rules.disconnect_for(violation.code))
        self.close()

    def abort(self) -> None:
        """Drop the connection at once, without DISCONNECT."""
        self._closing, self.writable = True, False
        if self._transport is not None:
            self._transport.abort()

    def spare_memory(self) -> None:
        """Read records of TLS one by one (RFC 8446, 5.1), for one of many connections.

        asyncio keeps 256 KiB for each TLS connection to read into, and offers no option for it. Where a later version
        has other names, nothing is saved and nothing breaks.
        """
        protocol = getattr(self._transport, "_ssl_protocol", None)
        if protocol is not None and hasattr(protocol, "_ssl_buffer_view"):
            protocol.max_size = _TLS_READ_BYTES
            protocol._ssl_buffer = bytearray(_TLS_READ_BYTES)  # noqa: SLF001
            protocol._ssl_buffer_view = memoryview(protocol._ssl_buffer)  # noqa: SLF001

    def reset(self) -> None:
        """End the TCP connection with RST (RFC 9293, 3.10.7); what is not written yet is lost."""
        if self._transport is not None:
            # With a linger time of 0 the kernel resets (socket(7)).
            plug = self._transport.get_extra_info("socket")
            plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.abort()

    def linger(self) -> None:
        """Have `close` read on until the peer has closed, as it does after DISCONNECT (MQTT 5, 3.14.4).

        A socket that is closed with bytes unread, such as a PUBACK, is reset (RFC 1122, 4.2.2.13). The peer's next
        write then fails before it has read our last packets, and it publishes the will.
        """
        self._lingers = True

    def ping_answered(self) -> None:
        """Count a PINGRESP; raise Violation where too many come without a ping."""
        self._expected += bool(self._pings)
        if not self._pings:
            self._tolerate(1)
        self._pings = 0

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the open transport."""
        self._transport = cast("asyncio.Transport", transport)
        self._socket = self._transport.get_extra_info("socket") if _QUICK_ACK else None

    def data_received(self, data: bytes) -> None:
        """Dispatch the frames: acknowledgements to the publisher, the rest to the session."""
        if self._closing:
            return
        try:
            if not self._begun:
                self._begun = True
                check_beginning(data)
            alike = self._splitter.pubacks(data)
            if alike is not None:
                packet_ids, code = alike
                expected = self._on_pubacks(packet_ids, code)
                self._expected += expected
                if expected != len(packet_ids):
                    self._tolerate(len(packet_ids) - expected)
            else:
                self._dispatch(data)
            self._wrote = False
            self._on_room()
        except Violation as violation:
            self.close_for(violation)
        except Exception as error:  # noqa: BLE001 - an error of ours ends this connection, not the process
            self.fault = error
            self.abort()
        if not self._wrote and self._socket is not None and not self._closing:
            self._socket.setsockopt(socket.IPPROTO_TCP, _QUICK_ACK, 1)

    def pause_writing(self) -> None:
        """Stop writing: the transport's buffer is full."""
        self.writable = False

    def resume_writing(self) -> None:
        """Write again: the transport's buffer has drained."""
        if not self._closing:
            self.writable = True
            self._on_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the connection is closed; paho reads the end of its bytes."""
        self._transport, self._socket, self.writable = None, None, False
        self._closing = True
        self._read_by_paho()
        if not self.closed.done():
            self.closed.set_result(exc)

    def _dispatch(self, data: bytes) -> None:
        for frame in self._splitter.split(data):
            if self._closing:
                return
            if frame[0] & 0xF0 == PUBACK:
                packet_id, code = self._rules.puback(frame)
                expected = self._on_pubacks([packet_id], code)
                self._expected += expected
                if not expected:
                    self._tolerate(1)
            else:
                self._on_frame(frame)
        if unfinished := self._splitter.unfinished:
            kind_of(unfinished)  # the rest of a malformed packet may never arrive

    def _tolerate(self, strays: int) -> None:
        """Count answers to packets that we have not sent; raise Violation where they are many more than the others."""
        self._strays += strays
        if self._strays > _MOST_STRAYS + self._expected:
            raise Violation(PROTOCOL_ERROR, f"sent {self._strays:,} answers to packets that we had not sent")

    # paho's socket

    def recv(self, size: int) -> bytes:
        """Return up to `size` bytes for paho; b"" at the end of the connection."""
        if not self._inbox:
            if self._transport is None:
                return b""
            raise BlockingIOError
        taken, self._inbox = self._inbox[:size], self._inbox[size:]
        return taken

    def send(self, data: bytes | bytearray) -> int:
        """Write one whole frame of paho's."""
        if self._transport is None or self._closing:
            raise ConnectionError("the connection is closed")
        self._pings += data[0] == _PINGREQ
        self._transport.write(bytes(data))
        return len(data)

    def close(self) -> None:
        """Close when all bytes are sent, or, after `linger`, when the peer has closed.

        At the latest after a second: a dead peer does not answer the end of TLS.
        """
        self._closing, self.writable = True, False
        if self._transport is None or self._loop.is_closed():
            return
        self._loop.call_later(_CLOSE_SECONDS, self._transport.abort)
        if not self._lingers:
            self._transport.close()
        elif self._transport.can_write_eof():
            self._transport.write_eof()

    def fileno(self) -> int:
        """Return -1: the event loop has the file descriptor."""
        return -1

    def setblocking(self, flag: bool) -> None:
        """Do nothing: it never blocks."""
