"""One client's bytes: frames in, frames out, and ways to end or to hang.

For trying things out and for tests, not for production.
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
LINGER_SECONDS = 0.5
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Channel(asyncio.Protocol):
    """Splits what arrives into packets, joins what leaves into few writes, and bounds both.

    Subclasses take packets and the events in the methods that start with `on_`.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.closing = False
        self.stalled = False
        self.heard_at = 0.0
        self.loop = asyncio.get_running_loop()
        self.gone: asyncio.Future[None] = self.loop.create_future()
        self.transport: asyncio.Transport
        self._unread = b""
        self._outgoing: list[bytes] = []
        self._outgoing_bytes = 0
        self._flush_is_due = False
        self._blocked = False
        self._timers: list[asyncio.TimerHandle] = []

    def on_packet(self, packet: Packet) -> None:
        """Take a packet."""

    def on_violation(self, violation: wire.Violation) -> None:
        """Answer what breaks the rules: raised while a frame was decoded, or in `on_packet`."""

    def on_written(self) -> None:
        """All frames sent so far were handed to the operating system."""

    def on_writable(self) -> None:
        """The client reads again."""

    def on_gone(self) -> None:
        """The connection is closed."""

    @property
    def writable(self) -> bool:
        """Whether more may be sent now."""
        return not (self._blocked or self.stalled or self.closing)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio, after the TLS handshake if there is one."""
        self.transport = cast("asyncio.Transport", transport)
        self.heard_at = self.loop.time()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Called by asyncio."""
        self.closing = True
        for timer in self._timers:
            timer.cancel()
        self.on_gone()
        # Last, so that who waits for it finds the session already free.
        if not self.gone.done():
            self.gone.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Called by asyncio with what one wake-up brought."""
        # While we linger over a last frame, whatever still comes is read only to keep the connection from a reset.
        if self.closing:
            return
        self.heard_at = self.loop.time()
        self._unread = self._unread + data if self._unread else data
        self._read()

    def pause_writing(self) -> None:
        """Called by asyncio when the client does not keep up."""
        self._blocked = True

    def resume_writing(self) -> None:
        """Called by asyncio when it does again."""
        self._blocked = False
        self._bound()
        self.on_writable()

    def send(self, frame: bytes) -> None:
        """Send a frame at the end of this wake-up, or sooner when there is much."""
        if self.closing:
            return
        self._outgoing.append(frame)
        self._outgoing_bytes += len(frame)
        if self._outgoing_bytes >= JOIN_BYTES:
            self.flush()
        elif not self._flush_is_due:
            # One write for all that this turn of the loop answers: a system call costs more than a message.
            self._flush_is_due = True
            self.loop.call_soon(self.flush)

    def flush(self) -> None:
        """Write what was sent."""
        self._flush_is_due = False
        if self.stalled or self.closing or not self._outgoing:
            return
        data = b"".join(self._outgoing)
        self._outgoing.clear()
        self._outgoing_bytes = 0
        self.transport.write(data)
        # Answers may pile up here without `writable` being asked; reading less makes fewer of them.
        self._bound()
        self.on_written()

    def stall(self, seconds: float | None = None) -> None:
        """Take bytes and answer nothing, for some seconds or until `release`."""
        self.stalled = True
        if seconds is not None:
            self.later(seconds, self.release)

    def release(self) -> None:
        """End a stall: read what came meanwhile, send what was held back."""
        self.stalled = False
        if self.closing:
            return
        # The silence was ours: it must not count against the client's keep-alive.
        self.heard_at = self.loop.time()
        self.flush()
        self._read()
        self.on_writable()

    def later(self, seconds: float, action: Callable[[], None]) -> asyncio.TimerHandle:
        """Call back after some seconds unless the connection is gone by then."""
        self._timers = [timer for timer in self._timers if not timer.cancelled() and timer.when() > self.loop.time()]
        timer = self.loop.call_later(seconds, action)
        self._timers.append(timer)
        return timer

    def finish(self) -> None:
        """Close so that the last frame arrives: closing at once would reset the connection if data is still unread."""
        if self.closing:
            return
        if self.stalled:
            # A hanging peer says no goodbye either.
            self.cut()
            return
        self.flush()
        self.closing = True
        with contextlib.suppress(NotImplementedError, OSError):
            # TLS has no half-close; and the client may have gone already.
            self.transport.write_eof()
        self.later(LINGER_SECONDS, self.hang_up)

    def hang_up(self) -> None:
        """Close the connection; what the client does not read in time is thrown away."""
        self.flush()
        self.closing = True
        self.transport.close()
        self.later(LINGER_SECONDS, self.transport.abort)

    def cut(self) -> None:
        """End the TCP connection with RST (RFC 9293, 3.10.7), losing what was not written yet."""
        self.closing = True
        connection: socket.socket = self.transport.get_extra_info("socket")
        # With no time to linger the kernel resets; a socket already closed would raise.
        if connection.fileno() >= 0:
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
                packet, start = wire.decode(view[start:end]), end
                self.on_packet(packet)
        except wire.Violation as violation:
            self.on_violation(violation)
        self._unread = data[start:]
        self._bound()

    def _bound(self) -> None:
        """Stop reading while the client leaves its answers unread, or a stall has filled the buffer."""
        if self.closing:
            return
        full = self.transport.get_write_buffer_size() > BUFFER_BYTES or (
            self.stalled and len(self._unread) > BUFFER_BYTES
        )
        if full:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()
