"""The byte stream of one client: frames in, frames out, and ways to end or stall it.

For demos and tests, not for production.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from typing import cast

from mqtt5 import Packet

from sandbox.limits import Limits
from sandbox.protocol import wire

JOIN_BYTES = 64 * 1024
BUFFER_BYTES = 1024 * 1024
READ_BYTES = 64 * 1024
LINGER_SECONDS = 0.5
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Channel(asyncio.BufferedProtocol):
    """Splits incoming bytes into packets, joins outgoing frames into few writes, and limits both.

    Subclasses process packets and events in the methods that start with `on_`.

    buffer: into which asyncio reads, shared by all connections of an event loop. Without it each read would allocate
    256 KiB and give them back, which costs more than a message of a client that sends one a second.
    """

    def __init__(self, limits: Limits, buffer: bytearray) -> None:
        self.limits = limits
        self._view = memoryview(buffer)
        self.closing = False
        self.stalled = False
        self.last_received_at = 0.0
        self.loop = asyncio.get_running_loop()
        self.gone: asyncio.Future[None] = self.loop.create_future()
        self.transport: asyncio.Transport
        self._unread = b""
        self._outgoing: list[bytes] = []
        self._outgoing_bytes = 0
        self._flush_is_due = False
        self._blocked = False
        self._timers: list[asyncio.TimerHandle] = []

    def decode(self, frame: memoryview) -> Packet:
        """Decode a frame; raise Violation where it is malformed."""
        raise NotImplementedError

    def on_packet(self, packet: Packet) -> None:
        """Process a packet."""

    def on_violation(self, violation: wire.Violation) -> None:
        """Answer a broken rule: raised while a frame was decoded, or by `on_packet`."""

    def on_written(self) -> None:
        """Note that all frames so far were passed to the operating system."""

    def on_writable(self) -> None:
        """Send more: the client reads again."""

    def on_gone(self) -> None:
        """Clean up: the connection is closed."""

    @property
    def writable(self) -> bool:
        """Whether more may be sent now."""
        return not (self._blocked or self.stalled or self.closing)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport; called by asyncio, after a TLS handshake."""
        self.transport = cast("asyncio.Transport", transport)
        self.last_received_at = self.loop.time()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Note the end of the connection; called by asyncio."""
        self.closing = True
        for timer in self._timers:
            timer.cancel()
        self.on_gone()
        # Last, so that the session is detached when a waiter continues.
        if not self.gone.done():
            self.gone.set_result(None)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002
        """Return where to put the bytes of one read; called by asyncio."""
        # A view: asyncio takes slices of it for several records of TLS, which of the buffer itself would be copies.
        return self._view

    def buffer_updated(self, nbytes: int) -> None:
        """Process the bytes of one read at once, before another connection's overwrite them; called by asyncio."""
        self.data_received(bytes(self._view[:nbytes]))

    def data_received(self, data: bytes) -> None:
        """Process the bytes of one read."""
        # While a last frame is sent, more bytes are read only to prevent a reset of the connection.
        if self.closing:
            return
        self.last_received_at = self.loop.time()
        self._unread = self._unread + data if self._unread else data
        self._read()

    def pause_writing(self) -> None:
        """Stop sending: the client reads too slowly; called by asyncio."""
        self._blocked = True

    def resume_writing(self) -> None:
        """Send again; called by asyncio."""
        self._blocked = False
        self._limit_reading()
        self.on_writable()

    def send(self, frame: bytes) -> None:
        """Send a frame at the end of this turn of the loop, or sooner with many bytes; an empty one is none."""
        if self.closing or not frame:
            return
        self._outgoing.append(frame)
        self._outgoing_bytes += len(frame)
        if self._outgoing_bytes >= JOIN_BYTES:
            self.flush()
        elif not self._flush_is_due:
            # One write for all answers of this turn of the loop: a system call costs more than a message.
            self._flush_is_due = True
            self.loop.call_soon(self.flush)

    def flush(self) -> None:
        """Write all frames sent so far."""
        self._flush_is_due = False
        if self.stalled or self.closing or not self._outgoing:
            return
        data = b"".join(self._outgoing)
        self._outgoing.clear()
        self._outgoing_bytes = 0
        self.transport.write(data)
        # Answers may accumulate here without a check of `writable`; reading less makes fewer of them.
        self._limit_reading()
        self.on_written()

    def stall(self, seconds: float | None = None) -> None:
        """Read and do not answer, for some seconds or until `release`."""
        self.stalled = True
        if seconds is not None:
            self.later(seconds, self.release)

    def release(self) -> None:
        """End a stall: process what was read meanwhile, and send the delayed answers."""
        self.stalled = False
        if self.closing:
            return
        # The broker caused the silence: it must not count for the client's keep-alive.
        self.last_received_at = self.loop.time()
        self.flush()
        self._read()
        self.on_writable()

    def later(self, seconds: float, action: Callable[[], None]) -> asyncio.TimerHandle:
        """Call `action` after some seconds, unless the connection is closed by then."""
        self._timers = [timer for timer in self._timers if not timer.cancelled() and timer.when() > self.loop.time()]
        timer = self.loop.call_later(seconds, action)
        self._timers.append(timer)
        return timer

    def finish(self) -> None:
        """Close so that the last frame arrives: closing at once resets a connection with unread data."""
        if self.closing:
            return
        if self.stalled:
            # A hanging peer does not close properly either.
            self.cut()
            return
        self.flush()
        self.closing = True
        with contextlib.suppress(NotImplementedError, OSError):
            # TLS has no half-close; and the client may have closed already.
            self.transport.write_eof()
        self.later(LINGER_SECONDS, self.hang_up)

    def hang_up(self) -> None:
        """Close the connection; what the client does not read in time is lost."""
        self.flush()
        self.closing = True
        self.transport.close()
        self.later(LINGER_SECONDS, self.transport.abort)

    def cut(self) -> None:
        """End the TCP connection with RST (RFC 9293, 3.10.7); unwritten bytes are lost."""
        self.closing = True
        connection: socket.socket | None = self.transport.get_extra_info("socket")
        # With a linger time of 0 the kernel resets. A closed socket would raise; TLS has none once the client is gone.
        if connection is not None and connection.fileno() >= 0:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self.transport.abort()

    def _read(self) -> None:
        data, start = self._unread, 0
        # Views, so that a chunk of a thousand frames is not copied a thousand times.
        view = memoryview(data)
        try:
            while not (self.closing or self.stalled):
                end = wire.frame_end(data, start, self.limits.maximum_packet_size)
                if end is None or end > len(data):
                    break
                # Past the frame before it is handled: a stall inside must not handle it twice.
                packet, start = self.decode(view[start:end]), end
                self.on_packet(packet)
        except wire.Violation as violation:
            self.on_violation(violation)
        self._unread = data[start:]
        self._limit_reading()

    def _limit_reading(self) -> None:
        """Stop reading while the client does not read its answers, or a stall has filled the buffer."""
        if self.closing:
            return
        full = self.transport.get_write_buffer_size() > BUFFER_BYTES or (
            self.stalled and len(self._unread) > BUFFER_BYTES
        )
        if full:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()
