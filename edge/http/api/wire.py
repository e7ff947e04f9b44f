"""What has happened on the wire: as the embedded broker saw it, or what the simulator's own connection knows of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import orjson
from fastapi import FastAPI
from fastapi.responses import Response

from edge.http.api.openapi import responses
from edge.http.api.schemas import WireSeen
from edge.redaction import clean
from edge.status import ConnectionStatus
from edge.status_source import StatusSource

Wire = Mapping[str, object]
"""Whether other clients are visible, the broker's addresses, and facts by name: how often, when last, and by whom."""

PATH: Final = "/api/v1/wire"
_WHY_NOT: Final = "the broker is not the sandbox's own, and tells nobody what its clients do"


def add_wire(app: FastAPI, wire: Callable[[], Wire]) -> None:
    """Add the call to an application."""

    @app.get(
        PATH,
        summary="What has happened on the wire",
        tags=["process"],
        responses=responses("wire", WireSeen, (500,)),
    )
    async def seen() -> Response:
        """What clients have done at the embedded broker since it began: the facts that the exercises are about.

        At another broker, only what the simulator's own connection has done.
        """
        return Response(orjson.dumps(clean(dict(wire()))), media_type="application/json")


def wire_of_connection(source: StatusSource) -> Wire:
    """Return what is known without the embedded broker: nothing of other clients, but what the connection has done."""
    return {
        "visible": False,
        "why_not": _WHY_NOT,
        "addresses": {"mqtt": None, "websocket": None},
        "facts": {
            name: {"count": count, "last": None, "by": ""}
            for name, count in _counts(source.connection(), source.ledger.acknowledged).items()
        },
    }


def _counts(connection: ConnectionStatus, acknowledged: int) -> dict[str, int]:
    # Messages of QoS 0 are counted as acknowledged once they are written; without any PUBACK there was no QoS 1.
    has_acknowledgements = connection.last_ack_age_seconds is not None
    commands = connection.commands
    return {
        "connected": connection.connects,
        "qos_1": acknowledged if has_acknowledgements else 0,
        "auth_renewed": connection.token_renewals,
        "command": sum(commands.counts.values()) if commands is not None else 0,
    }
