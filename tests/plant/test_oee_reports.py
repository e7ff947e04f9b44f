"""Facts about OEE reports: off by default, exact, retained, and without effect on other messages."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import mqtt5
import pytest

from edge.mqtt.protocol.codec import Encoder
from messages import FactoryMessageGenerator, topic_template
from plant.definition.event_kinds import OeeReport
from plant.definition.plant_config import Global, PlantConfig, load
from plant.forecast.rate_forecast import forecast
from plant.telemetry import Message

DEFAULT = load(Path(__file__).parents[2] / "message_structure.yaml")


def with_reports(report_seconds: float) -> PlantConfig:
    """The default plant with figures every so often."""
    kinds = DEFAULT.message_types.model_copy(update={"oee": OeeReport(enabled=True, report_seconds=report_seconds)})
    return DEFAULT.model_copy(update={"message_types": kinds})


def said(config: PlantConfig, *steps: float) -> list[Message]:
    """Return the messages of a plant for some time spans."""
    plant = FactoryMessageGenerator.of(config, 1)
    return [message for step in steps for message in plant.advance(plant.now + step)]


def reports(messages: list[Message]) -> list[Message]:
    """The messages with figures among them."""
    return [message for message in messages if message.kind == "oee"]


def test_nobody_reports_unless_asked_to() -> None:
    """The default plant emits no OEE reports."""
    assert reports(said(DEFAULT, 3600)) == []


def test_every_machine_reports_at_whole_multiples_of_the_interval() -> None:
    """22 machines, every ten minutes of an hour."""
    found = reports(said(with_reports(600), 3600))

    assert len(found) == 6 * 22
    assert {message.time_ms % 600_000 for message in found} == {0}


def test_machines_of_a_large_plant_report_a_few_at_a_time() -> None:
    """Fifty every 50 ms, or as the period has room; each once a period, in order, and the same from any two shards."""
    counts = dict.fromkeys(DEFAULT.global_.machine_counts, 130)
    large = with_reports(30).model_copy(update={"global_": Global(machine_counts=counts)})
    found = reports(said(large, 61))
    shards = [FactoryMessageGenerator.of(large, 1, shard=(part, 2)) for part in (1, 2)]
    of_shards = reports([message for shard in shards for message in shard.advance(shard.now + 61)])

    assert [message.source for message in found] == 2 * list(dict.fromkeys(message.source for message in found))
    assert len(found) == 2 * 5 * 130
    assert {message.time_ms % 30_000 for message in found} == {50 * group for group in range(13)}
    assert max(Counter(message.time_ms for message in found).values()) == 50
    assert sorted(of_shards) == sorted(found)


def test_the_forecast_counts_reports() -> None:
    """22 machines every two seconds are eleven messages a second more."""
    usual, reporting = forecast(DEFAULT).per_second, forecast(with_reports(2)).per_second

    assert reporting - usual == pytest.approx(11.0)


def test_reports_do_not_change_other_messages() -> None:
    """All other messages are byte for byte as without."""
    others = [message for message in said(with_reports(7.5), 1800) if message.kind != "oee"]

    assert others == said(DEFAULT, 1800)


def test_a_cut_changes_no_byte() -> None:
    """In one piece or in three, at a report or beside it."""
    config = with_reports(60)

    assert said(config, 60, 0.001, 239.999) == said(config, 300)


def test_a_report_has_the_figures_of_its_moment() -> None:
    """Its figures are those of the ledger as of its timestamp."""
    plant = FactoryMessageGenerator.of(with_reports(1800), 1)
    last = {message.source: json.loads(message.payload) for message in reports(plant.advance(plant.now + 3600))}
    for machine in plant.oee():
        row = last[f"oee/{machine.machine_id}"]
        assert (row["timestamp"], row["jobs"], row["good"]) == ("2026-01-01T01:00:00.000Z", machine.jobs, machine.good)
        assert row["availability"] == pytest.approx(machine.availability, abs=1e-4)


def test_a_report_has_a_topic_of_its_own_and_is_retained() -> None:
    """`factory/oee/CNC-01`, retained by the broker; messages of machines are not."""
    row, report = Message("cnc_machine", "CNC-01", "S", 0, 1, b"{}"), Message("oee", "oee/CNC-01", None, 0, 1, b"{}")
    encoder = Encoder(lambda message: message.source, retained={"oee"})
    packets = [mqtt5.read(memoryview(encoder.frame(message, 2000)))[0] for message in (row, report)]

    assert topic_template(DEFAULT, "oee").format(prefix="factory", machine_id=report.source) == "factory/oee/CNC-01"
    assert [packet.retain for packet in packets if isinstance(packet, mqtt5.PublishPacket)] == [False, True]


def test_a_server_without_retained_messages_gets_none() -> None:
    """A retain flag would make it close the connection (0x9A)."""
    encoder = Encoder(lambda message: message.source, retained={"oee"})
    encoder.follow_limits(retain=False)
    packet, _ = mqtt5.read(memoryview(encoder.frame(Message("oee", "oee/CNC-01", None, 0, 1, b"{}"), 2000)))

    assert isinstance(packet, mqtt5.PublishPacket)
    assert not packet.retain
