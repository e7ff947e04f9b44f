"""Free loopback ports that stay free across a broker's restart."""

from __future__ import annotations

import secrets
import socket

# Below Linux's range for outgoing connections (32768 and up): while a broker is down, no client's own end can take
# its port, and no client can connect to itself.
_LOWEST = 20_000
_COUNT = 12_000
_given: set[int] = set()


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on and that this process has not been given before."""
    for _ in range(_COUNT):
        port = _LOWEST + secrets.randbelow(_COUNT)
        if port not in _given and _is_free(port):
            _given.add(port)
            return port
    raise OSError(f"no free port from {_LOWEST} to {_LOWEST + _COUNT - 1}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
