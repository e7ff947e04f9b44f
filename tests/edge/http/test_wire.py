"""`GET /api/v1/wire`: at another broker than the embedded one, what the simulator's own connection knows."""

from __future__ import annotations

import pytest

from edge.http.api.schemas import WireSeen
from edge.status import CommandStatus, ConnectionStatus
from sandbox.lessons import FACTS
from tests.edge.http.test_routes import Shown, serving

PATH = "/api/v1/wire"
QUIET = {"connected": 1, "qos_1": 0, "auth_renewed": 0, "command": 0}
CASES = [
    (ConnectionStatus(connected=True, connects=1), QUIET),
    (ConnectionStatus(connects=4), {**QUIET, "connected": 4}),
    (ConnectionStatus(connects=1, last_ack_age_seconds=0.1), {**QUIET, "qos_1": 7}),
    (ConnectionStatus(connects=1, token_renewals=3), {**QUIET, "auth_renewed": 3}),
    (
        ConnectionStatus(connects=1, commands=CommandStatus("a/+", counts={"executed": 2, "refused": 1})),
        {**QUIET, "command": 3},
    ),
]


@pytest.mark.parametrize(("connection", "counts"), CASES, ids=lambda each: str(each)[:40])
def test_each_fact_is_counted_by_the_connection(connection: ConnectionStatus, counts: dict[str, int]) -> None:
    """Acknowledged messages only once there was a PUBACK: at QoS 0 what is written counts as acknowledged."""
    shown = Shown()
    shown.connected, shown.ledger.acknowledged = connection, 7
    with serving(shown) as client:
        seen = WireSeen.model_validate(client.get(PATH).raise_for_status().json())

    assert {name: fact.count for name, fact in seen.facts.items()} == counts
    assert {*counts} <= {*FACTS}


def test_it_says_why_nothing_else_is_known() -> None:
    """Neither times, clients nor addresses; in OpenAPI's form."""
    with serving(Shown()) as client:
        seen = WireSeen.model_validate(client.get(PATH).json())

    assert not seen.visible
    assert seen.why_not == "the broker is not the sandbox's own, and tells nobody what its clients do"
    assert (seen.addresses.mqtt, seen.addresses.websocket) == (None, None)
    assert {(fact.last, fact.by) for fact in seen.facts.values()} == {(None, "")}


def test_the_index_names_the_call() -> None:
    """For who looks for it."""
    with serving(Shown()) as client:
        assert PATH in client.get("/").json()["links"]
