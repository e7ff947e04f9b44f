"""The embedded broker of `--demo`: its ports, what it says of them, and users with access control."""

from __future__ import annotations

import json
import re
from pathlib import Path

from mqtt5 import PubAckPacket
from paho.mqtt.enums import MQTTProtocolVersion

from sandbox.acl import Acl
from sandbox.demo import MQTTX_WEB, Clients, Demo
from tests.sandbox.test_clients import until
from tests.sandbox.test_versions_of_clients import paho
from tests.sandbox.test_websocket import Page, page
from tests.support.brokers.rawclient import connected, in_loop, message

ANY = (0, 0, 0)
V311 = MQTTProtocolVersion.MQTTv311


@in_loop
async def test_the_demo_takes_pages_by_websocket_and_says_where() -> None:
    """The port stands in the text for people and in the values for a log; 3.1.1 is served there too."""
    async with Demo(ANY) as demo:
        text, facts = demo.how_to_look(["factory/#"], Path("plant.yaml"), None, own=True)
        port = demo.broker.ports[2]
        assert f"pages in a browser: ws://localhost:{port}, MQTT over WebSocket\n" in text
        assert "MQTT 5 or 3.1.1, topic factory/#" in text
        assert facts["websocket"] == f"ws://localhost:{port}"
        async with paho(port, V311, transport="websockets") as (_, events):
            assert events[0][:2] == ("connack", 0)


@in_loop
async def test_the_demo_lets_mqttx_in_and_no_other_page_of_the_internet() -> None:
    """MQTTX web is what its text advises to look with."""
    async with Demo(ANY) as demo:
        answers: dict[str, str] = {}
        for origin in (MQTTX_WEB, "https://evil.example"):
            async with page(demo.broker.ports[2]) as client:
                assert isinstance(client, Page)
                answers[origin] = type(await client.open(origin)).__name__
        assert answers == {MQTTX_WEB: "AcceptConnection", "https://evil.example": "RejectConnection"}


@in_loop
async def test_a_demo_with_two_ports_has_no_websocket() -> None:
    """Scenarios need none."""
    async with Demo((0, 0)) as demo:
        text, facts = demo.how_to_look(["#"], Path("plant.yaml"), None, own=False)
        assert len(demo.broker.ports) == 2
        assert "ws://" not in text + json.dumps(facts)


@in_loop
async def test_a_demo_with_users_asks_for_a_login_and_keeps_to_the_acl() -> None:
    """On both ports for other clients; the text names the users and no password."""
    acl = Acl.parse("user ann\ntopic write a/#\ntopic read #")
    clients = Clients(users={"ann": "secret", "bob": "other"}, acl=acl)
    assert "secret" not in repr(clients)
    async with Demo(ANY, clients) as demo:
        text, _ = demo.how_to_look(["#"], Path("plant.yaml"), None, own=False)
        assert re.search(r"your clients +localhost:\d+, without TLS, with a login \(ann, bob\):", text)
        _, plain, web = demo.broker.ports
        for port, transport in ((plain, "tcp"), (web, "websockets")):
            async with paho(port, V311, transport=transport) as (_, events):  # type: ignore[arg-type]
                assert events[0][:2] == ("connack", 0x86)
            async with paho(port, V311, login=("ann", "secret"), transport=transport) as (client, events):  # type: ignore[arg-type]
                client.subscribe("#", qos=1)
                await until(lambda events=events: ("suback", [1]) in events, "SUBACK")  # type: ignore[misc]
        async with connected(plain, "ann", username="ann", password=b"secret") as (raw, _):
            raw.send(message(1, "b"), message(2, "a/b"))
            assert [int((await raw.receive(PubAckPacket)).reason_code) for _ in range(2)] == [0x87, 0x10]


@in_loop
async def test_a_demo_may_also_let_clients_in_without_a_name() -> None:
    """They have the rights of the lines before the first user."""
    clients = Clients(users={"ann": "secret"}, anonymous=True, acl=Acl.parse("topic write free"))
    async with Demo(ANY, clients) as demo, connected(demo.broker.ports[1]) as (client, connack):
        assert connack.reason_code == 0
        client.send(message(1, "free"), message(2, "b"))
        assert [int((await client.receive(PubAckPacket)).reason_code) for _ in range(2)] == [0x10, 0x87]
