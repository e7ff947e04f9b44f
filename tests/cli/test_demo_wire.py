"""What a demo's broker has seen, as the page is handed it: plain data, by the plant's own topics, without secrets."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from mqtt5 import PubAckPacket

from cli.demo_wire import DemoWire
from edge.settings.loader import Settings
from plant.definition.plant_config import PlantConfig, load
from sandbox.demo import Demo
from sandbox.lessons import FACTS
from tests.support.brokers.rawclient import connected, in_loop, message
from tests.support.processes.daemon import ROOT, DaemonProcess
from tests.support.processes.ports import free_port
from tests.support.processes.waiting import wait_until

PLANT = """\
message_types:
  oven:
    count: 1
    signals: {heat: {base: 20}}
    topic: "{prefix}/ovens/{machine_id}"
    alarms: {heat: {high: 90%s}}
"""
OWN_TOPIC = ', topic: "{prefix}/warnings/{machine_id}"'


def settings(*, commands: bool = True) -> Settings:
    """Those of a simulator that takes commands, or none."""
    return Settings.load({"MQTT_COMMANDS": str(commands).lower(), "MQTT_TOPIC_PREFIX": "plant"}, {}, pid=1)


def plant(folder: Path, topic: str = "") -> PlantConfig:
    """An oven whose alarms have a topic of their own, or the usual one."""
    path = folder / "plant.yaml"
    path.write_text(PLANT % topic)
    return load(path)


async def counts(demo: Demo, *topics: str) -> dict[str, int]:
    """How many alarms and commands there have been after a client has published on topics."""
    async with connected(demo.broker.ports[1], "student") as (client, _):
        for number, topic in enumerate(topics, 1):
            client.send(message(number, topic))
            await client.receive(PubAckPacket)
    return {name: demo.lessons.facts[name].count for name in ("alarm", "command")}


@in_loop
async def test_it_is_plain_data_with_every_fact() -> None:
    """Times are of the wall clock; what has not happened has none."""
    async with Demo((0, 0, 0)) as demo:
        await counts(demo)
        found = DemoWire(demo)()
        facts = found["facts"]
        assert isinstance(facts, dict)
        assert facts.keys() == FACTS.keys()
        assert facts["shared"] == {"count": 0, "last": None, "by": ""}
        assert facts["connected"]["by"] == "student"
        assert facts["connected"]["last"].endswith("Z")
        ports = demo.broker.ports
        assert found["addresses"] == {"mqtt": f"localhost:{ports[1]}", "websocket": f"ws://localhost:{ports[2]}"}
        assert (found["visible"], found["why_not"]) == (True, None)


@in_loop
async def test_a_client_id_shows_no_credential_and_has_an_end() -> None:
    """Whatever a client calls itself."""
    async with Demo((0, 0)) as demo:
        async with connected(demo.broker.ports[1], f"eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln {'x' * 500}"):
            pass
        facts = DemoWire(demo)()["facts"]
        assert isinstance(facts, dict)
        assert facts["connected"]["by"].startswith("[redacted] xxx")
        assert len(facts["connected"]["by"]) < 70


@in_loop
async def test_alarms_and_commands_are_those_of_the_plants_topics(tmp_path: Path) -> None:
    """The usual ones first; after a configuration with others, those."""
    async with Demo((0, 0)) as demo:
        wire = DemoWire(demo)
        wire.follow(settings(), plant(tmp_path))
        both = ("plant/ovens/OVEN-01/alarms", "plant/commands/me/OVEN-01")
        assert await counts(demo, *both, "plant/ovens/OVEN-01", "elsewhere") == {"alarm": 1, "command": 1}

        async def apply(config: PlantConfig) -> int:
            return len(config.kinds)

        assert await wire.following(settings(), apply)(plant(tmp_path, OWN_TOPIC)) == 2
        assert await counts(demo, both[0], "plant/warnings/OVEN-01") == {"alarm": 2, "command": 1}


@in_loop
async def test_a_configuration_that_is_not_applied_changes_no_topics(tmp_path: Path) -> None:
    """The plant publishes on the topics that it had."""
    async with Demo((0, 0)) as demo:
        wire = DemoWire(demo)
        wire.follow(settings(), plant(tmp_path))

        async def refuse(_: PlantConfig) -> int:
            raise TimeoutError

        with pytest.raises(TimeoutError):
            await wire.following(settings(), refuse)(plant(tmp_path, OWN_TOPIC))
        assert await counts(demo, "plant/ovens/OVEN-01/alarms") == {"alarm": 1, "command": 0}


@in_loop
async def test_an_alarm_on_the_topic_of_other_messages_is_not_seen(tmp_path: Path) -> None:
    """The topic alone tells, and each of those messages would be one."""
    other = "\n  lamp: {count: 1, topic: '{prefix}/lamps', signals: {light: {base: 1}}}\n"
    path = tmp_path / "plant.yaml"
    path.write_text(PLANT % ", topic: '{prefix}/lamps'" + other)
    async with Demo((0, 0)) as demo:
        DemoWire(demo).follow(settings(), load(path))
        assert await counts(demo, "plant/lamps") == {"alarm": 0, "command": 0}


@in_loop
async def test_where_commands_are_off_there_are_none(tmp_path: Path) -> None:
    """Nobody takes what is published there."""
    async with Demo((0, 0)) as demo:
        DemoWire(demo).follow(settings(commands=False), plant(tmp_path))
        assert await counts(demo, "plant/commands/me/OVEN-01") == {"alarm": 0, "command": 0}


def test_a_demo_shows_it_over_http() -> None:
    """What a client did is there at once."""
    port = free_port()
    with DaemonProcess("run", "--demo", "--http-port", str(port), directory=ROOT) as simulator:
        plain = simulator.says(r"your clients +localhost:(\d+)")[1]
        simulator.says("HTTP on")
        with DaemonProcess("sub", "--topic", "#", "--count", "1", "--port", plain) as client:
            client.process.wait(40)

        def is_seen() -> bool:
            seen = httpx.get(f"http://localhost:{port}/api/v1/wire", trust_env=False).json()
            return bool(seen["facts"]["wildcard_hash"]["count"])

        wait_until(is_seen, 30, "the wildcard is seen")
