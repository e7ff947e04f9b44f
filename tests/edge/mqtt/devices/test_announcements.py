"""Facts about what a machine is called at the broker, and what it announces there: birth, end and last will."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import orjson
import pytest
from mqtt5 import ConnectPacket, DisconnectPacket, PublishPacket

from edge.mqtt.devices.places import THE_PLANT, Place, client_id_of, places_of
from edge.settings.loader import Settings
from plant.definition.plant_config import parse
from sandbox.broker import EmbeddedBroker, Limits
from sandbox.faults import Peer, Rule
from tests.support.brokers.machines import (
    PER_MACHINE,
    STATUS,
    connected_machines,
    device_settings,
    machines,
    said_of,
    states,
)
from tests.support.brokers.rawclient import in_loop
from tests.support.brokers.rig import Rig, until
from tests.support.factory import plants

CNC = Place("CNC-01", "cnc_machine", "LINE-1-STATION-A")


class Wire:
    """What clients send to a broker, in order, with who sent it."""

    def __init__(self, broker: EmbeddedBroker) -> None:
        self.packets: list[tuple[str, object]] = []
        for kind in (ConnectPacket, PublishPacket, DisconnectPacket):
            broker.faults.add(Rule(on=kind, actions=(self._note,), times=None))

    def _note(self, peer: Peer, packet: ConnectPacket | PublishPacket | DisconnectPacket) -> bool:
        client_id = packet.client_id if isinstance(packet, ConnectPacket) else peer.client_id
        self.packets.append((client_id, packet))
        return False

    def of(self, client_id: str) -> list[object]:
        """The packets of one client."""
        return [packet for name, packet in self.packets if name == client_id]

    def connects(self, client_id: str) -> list[ConnectPacket]:
        """Its CONNECT packets."""
        return [packet for packet in self.of(client_id) if isinstance(packet, ConnectPacket)]


# What it is called


@pytest.mark.parametrize(
    ("template", "name"),
    [("{client_id}-{machine_id}", "press-shop-CNC-01"), ("{machine_id}", "CNC-01"), ("dev/{machine_id}", "dev/CNC-01")],
)
def test_a_machines_client_id_is_made_of_its_template(template: str, name: str) -> None:
    """Of the process's client id and the machine's id, whatever part of the plant the process has."""
    whole = device_settings(1883, mqtt_client_id="press-shop", mqtt_device_client_id=template)
    parts_of = {"shard": "2/3", "workers": 2, "seed": "1"}
    split = device_settings(1883, mqtt_client_id="press-shop", mqtt_device_client_id=template, **parts_of)

    parts = split.of_workers()
    assert [each.mqtt_client_id for each in parts] == ["press-shop-2", "press-shop-5"]
    assert {client_id_of(CNC, each) for each in (whole, *parts)} == {name}


def test_the_plants_own_connection_has_the_clients_id_alone() -> None:
    """That of its part of the plant, as in shared mode."""
    settings = device_settings(1883, mqtt_client_id="press-shop", workers=2)

    assert [client_id_of(THE_PLANT, each) for each in settings.of_workers()] == ["press-shop-1", "press-shop-2"]


def test_parts_of_a_plant_have_each_machine_once() -> None:
    """Whichever number of them there is."""
    config = machines(7)
    whole = {place.machine_id for place in places_of(config, device_settings(1883))}
    parts = [places_of(config, each) for each in device_settings(1883, workers=3).of_workers()]

    found = [place.machine_id for part in parts for place in part]
    assert sorted(found) == sorted(whole)
    assert len(whole) == 7


@pytest.mark.parametrize(
    ("commands", "orders", "has_own"), [(False, False, False), (True, False, True), (False, True, True)]
)
def test_the_plant_has_a_connection_of_its_own_only_where_it_needs_one(
    commands: bool, orders: bool, has_own: bool
) -> None:
    """For commands to the plant as a whole, and for orders and other messages of no machine."""
    data = plants.default()
    if not orders:
        for key in ("customer_order", "dispatch"):
            data["message_types"][key]["enabled"] = False
    data["message_types"]["painting"]["enabled"] = False
    places = list(places_of(parse(data), device_settings(1883, mqtt_commands=commands)))

    assert (THE_PLANT in places) is has_own
    assert len({place.machine_id for place in places}) == len(places) > 2


@in_loop
async def test_each_machine_publishes_on_a_connection_of_its_own() -> None:
    """What is no machine's goes out on the plant's."""
    data = plants.default()
    data["global"] = {"base_interval": 0.1, "machine_counts": {"cnc": 2, "printer_3d": 1}}
    data["message_types"]["customer_order"]["orders_per_hour"] = 36_000
    all_clients = {"rig", "rig-CNC-01", "rig-CNC-02", "rig-3DP-01"}
    async with EmbeddedBroker() as broker, Rig(device_settings(broker.port), parse(data)) as rig:
        seen = broker.subscribe("+/+")
        await until(lambda: {each.client_id for each in seen.messages} >= all_clients, "all have spoken")
        await rig.finish()
        clients = {(each.client_id, dict(each.user_properties)["subject"]) for each in seen.messages}

    machines_only = {(client, subject) for client, subject in clients if client != "rig"}
    assert machines_only >= {("rig-CNC-01", "CNC-01"), ("rig-CNC-02", "CNC-02"), ("rig-3DP-01", "3DP-01")}
    assert all(client == f"rig-{subject}" for client, subject in machines_only)
    assert "rig" in {client for client, _ in clients}


# Birth, will, end


@in_loop
async def test_a_machine_announces_itself_before_its_telemetry() -> None:
    """Retained, at QoS 1, with its id, the state and a time to the second, and without an expiry."""
    async with EmbeddedBroker() as broker, Rig(device_settings(broker.port), machines(1)) as rig:
        rig.offer("CNC-01 1")
        wire, seen = Wire(broker), broker.subscribe("#")
        await rig.connected()
        await seen.wait(2)
        connect, birth, telemetry = wire.of("rig-CNC-01")[:3]

    assert isinstance(connect, ConnectPacket)
    assert isinstance(birth, PublishPacket)
    assert isinstance(telemetry, PublishPacket)
    assert (birth.topic, telemetry.topic) == ("factory/status/CNC-01", "factory/cnc")
    assert (int(birth.qos), birth.retain, birth.message_expiry_interval) == (1, True, None)
    assert re.fullmatch(
        rb'\{"device_id":"CNC-01","status":"online","ts":"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ"\}', bytes(birth.payload)
    )
    assert (birth.content_type, birth.payload_format_indicator) == ("application/json", 1)


@in_loop
async def test_the_will_is_the_same_message_and_says_offline() -> None:
    """Retained, at QoS 1, on the same topic: what a broker publishes where a machine is lost."""
    async with connected_machines(1) as (broker, _):
        wire, seen = Wire(broker), broker.subscribe(STATUS)
        broker.cut("rig-CNC-01")
        await seen.wait(3)
        assert said_of(seen, "CNC-01") == ["online", "offline", "online"]
        [connect] = wire.connects("rig-CNC-01")

    will = connect.will
    assert will is not None
    assert (will.topic, int(will.qos), will.retain) == ("factory/status/CNC-01", 1, True)
    assert orjson.loads(will.payload or b"").keys() == {"device_id", "status", "ts"}
    assert (will.content_type, will.payload_format_indicator) == ("application/json", 1)
    assert bytes(seen.messages[1].payload).startswith(b'{"device_id":"CNC-01","status":"offline","ts":"20')


@in_loop
async def test_a_will_is_made_anew_at_each_connect() -> None:
    """So its time is that of the connection that it belongs to, and not that of the start."""
    async with connected_machines(1) as (broker, rig):
        wire = Wire(broker)
        wills = []
        for number in (2, 3):
            second = int(datetime.now(UTC).timestamp())
            await until(lambda second=second: datetime.now(UTC).timestamp() > second + 1, "a second later")  # type: ignore[misc]
            broker.cut()
            await rig.all_connected(number)
            will = wire.connects("rig-CNC-01")[-1].will
            assert will is not None
            wills.append(datetime.fromisoformat(orjson.loads(will.payload or b"")["ts"]))

    assert wills[0] < wills[1]
    assert abs((datetime.now(UTC) - wills[1]).total_seconds()) < 10


@in_loop
async def test_a_clean_stop_announces_each_machine_as_offline_and_leaves_no_will() -> None:
    """By a message of its own before DISCONNECT, and a subscriber who comes late finds it."""
    async with connected_machines(3) as (broker, rig):
        wire, seen = Wire(broker), broker.subscribe(STATUS)
        await rig.finish()
        await until(lambda: not broker.connected, "all gone")

        assert rig.fleet.facts().devices.wills_expected == 0  # type: ignore[union-attr]
        for number in (1, 2, 3):
            last, end = wire.of(f"rig-CNC-0{number}")[-2:]
            assert isinstance(last, PublishPacket)
            assert isinstance(end, DisconnectPacket)
            assert (int(last.qos), last.retain) == (1, True)
            assert int(end.reason_code) == 0
            assert said_of(seen, f"CNC-0{number}") == ["online", "offline"]
        assert states(broker) == {"CNC-01": "offline", "CNC-02": "offline", "CNC-03": "offline"}
        assert broker.sessions.keys() == set()


@in_loop
async def test_a_subscriber_who_comes_late_sees_who_is_there() -> None:
    """Two are online, one was lost and has not come back."""
    async with connected_machines(3) as (broker, rig):
        rig.act("crash", "CNC-02", 60)
        await until(lambda: len(broker.connected) == 2, "one is gone")

        assert states(broker) == {"CNC-01": "online", "CNC-02": "offline", "CNC-03": "online"}


@in_loop
async def test_another_status_topic_is_taken_for_all_of_them() -> None:
    """Birth, will and end, over the same placeholders as other topics."""
    topic = "site/{type}/{station_id}/{machine_id}/state"
    async with connected_machines(1, mqtt_status_topic=topic) as (broker, rig):
        seen = broker.subscribe("site/#")
        await seen.wait(1)
        broker.cut()
        await rig.all_connected(2)
        await rig.finish()
        await seen.wait(4)

    assert {each.topic for each in seen.messages} == {"site/cnc_machine/LINE-1-STATION-A/CNC-01/state"}
    assert said_of(seen, "CNC-01") == ["online", "offline", "online", "offline"]


@in_loop
async def test_a_broker_that_allows_one_message_in_flight_gets_its_announcements_at_qos_0() -> None:
    """Receive Maximum 1 is for telemetry; the birth is there all the same, and nothing is sent too much."""
    broker = EmbeddedBroker(limits=Limits(receive_maximum=1))
    async with connected_machines(2, broker) as (_, rig):
        seen = broker.subscribe("#")
        rig.offer(*(f"CNC-0{machine} {number}" for number in range(1, 20) for machine in (1, 2)))
        await rig.finish()

    births = [each for each in seen.messages if "/status/" in each.topic and b"online" in each.payload]
    assert len(seen.messages) == 2 + 38 + 2
    assert len(births) == 2
    assert broker.counters.disconnected == {}


@in_loop
async def test_a_broker_that_refuses_an_announcement_is_told_of_and_gets_the_telemetry() -> None:
    """PUBACK 0x87 for the status topic: a machine without the right to announce itself still reports."""
    async with EmbeddedBroker() as broker, Rig(device_settings(broker.port), machines(2)) as rig:
        broker.faults.puback(0x87, times=None, when=lambda each: "/status/" in each.topic)
        seen = broker.subscribe("+/+")
        rig.offer("CNC-01 1", "CNC-02 1")
        await rig.finish()

    assert len(seen.messages) == 2
    assert rig.ledger.refused == {}


def test_settings_of_tests_are_those_of_users() -> None:
    """The defaults: one connection for all, and names for when each machine has one."""
    settings = Settings.load({}, pid=1)

    assert settings.mqtt_connections == "shared"
    assert Settings.load({}, PER_MACHINE, pid=1).mqtt_connections == "per_machine"
    assert settings.mqtt_device_client_id == "{client_id}-{machine_id}"
    assert settings.mqtt_status_topic == "{prefix}/status/{machine_id}"
    assert settings.mqtt_connect_rate == 200.0
