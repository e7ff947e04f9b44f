"""The sockets of the HTTP port: at all addresses of a host, at the port that was asked for or the next that is free."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from typing import Final

from edge.status import PortError

BACKLOG: Final = 100
_NOT_HERE: Final = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
"""Errors of an address that this machine does not have, such as ::1 where there is no IPv6."""
_UNSENT_BYTES: Final = 16 * 1024
"""The most that the kernel takes of an answer before it can send it: a caller that does not read is noticed soon, and
what a stream of events would still send it is not old."""


def listen_on_one_of(host: str, ports: range) -> list[socket.socket]:
    """Return the sockets of the first port that is free."""
    for port in ports:
        try:
            return _listen(host, port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or port == ports[-1]:
                raise PortError(f"HTTP_HOST, HTTP_PORT: cannot listen on {host}:{ports[0]}: {_why(error)}") from error
    raise AssertionError  # a range of ports is never empty


def _listen(host: str, port: int) -> list[socket.socket]:
    """Return a socket for each address of a host, all with one port; OSError where an address of this machine fails."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    missing: OSError | None = None
    with contextlib.ExitStack() as opened:
        sockets: list[socket.socket] = []
        for family, _, _, _, address in dict.fromkeys(found):
            chosen = sockets[0].getsockname()[1] if sockets else port
            try:
                each = socket.create_server((address[0], chosen, *address[2:]), family=family, backlog=BACKLOG)
            except OSError as error:
                if error.errno not in _NOT_HERE:
                    raise
                missing = error
            else:
                # Of each connection, too. asyncio sets this itself only on sockets made for the protocol by its number.
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if hasattr(socket, "TCP_NOTSENT_LOWAT"):
                    each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT_BYTES)
                sockets.append(opened.enter_context(each))
        if missing and not sockets:
            raise missing
        opened.pop_all()
        return sockets


def first_free_port(host: str, ports: range) -> int | None:
    """Return the first port that is free now; None where no port can be listened on."""
    try:
        found = listen_on_one_of(host, ports)
    except PortError:
        return None
    port: int = found[0].getsockname()[1]
    for each in found:
        each.close()
    return port


def url_of(host: str, port: int) -> str:
    """Return the address of a port, without a path."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _why(error: OSError) -> str:
    hint = "; is another one running? HTTP_PORT=0 turns this off" if error.errno == errno.EADDRINUSE else ""
    reason = error.strerror if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)
    return f"{reason}{hint}"
