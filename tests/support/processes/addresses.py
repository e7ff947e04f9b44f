"""Names with addresses of a test's choice, and addresses that swallow whatever is sent to them."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest


def name(patch: pytest.MonkeyPatch, known: Mapping[str, Sequence[str]]) -> None:
    """Have the resolver of this process give these names these addresses, in this order; all others as ever."""
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, *where: Any, **hints: Any) -> list[Any]:
        asked = host.decode() if isinstance(host, bytes) else host
        return [each for address in known.get(asked, [asked]) for each in real(address, *where, **hints)]

    patch.setattr(socket, "getaddrinfo", getaddrinfo)


@contextmanager
def black_hole(address: str, port: int = 0) -> Iterator[int]:
    """An address that answers no SYN: somebody listens, whose queue is full. Gives the port."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with ExitStack() as opened:
        hole = opened.enter_context(socket.socket(family))
        hole.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        hole.bind((address, port))
        hole.listen(0)
        port = hole.getsockname()[1]
        for _ in range(6):
            knocking = opened.enter_context(socket.socket(family))
            knocking.setblocking(False)
            knocking.connect_ex((address, port))
        yield port
