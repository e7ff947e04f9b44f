"""Facts about commands over MQTT: what is executed, what is refused and how it is counted, and what is answered."""

from __future__ import annotations

import asyncio
import json
import tracemalloc
from typing import Any

import mqtt5
import pytest

from edge.control.problems import FieldError, Problem
from edge.mqtt.commands import answers as answers_module
from edge.mqtt.commands.subscription import RECEIVE_MAXIMUM
from edge.mqtt.protocol.codec import Violation
from edge.mqtt.publisher import Limits
from plant.definition.plant_config import parse
from tests.edge.mqtt.commands.bench import AT_MS, Bench, ids, message
from tests.support.brokers.rawclient import in_loop
from tests.support.brokers.rig import Lines
from tests.support.factory import plants


@in_loop
async def test_it_subscribes_at_qos_1_without_retained_messages_and_sees_the_flag() -> None:
    """Retain Handling 2 and Retain As Published, at each connection."""
    bench = Bench()
    for present in (False, True):
        [packet] = bench.connect(session_present=present).of(mqtt5.SubscribePacket)
        [wanted] = packet.topic_filters

        assert wanted.pattern == "factory/commands/+/+"
        assert (wanted.max_qos, wanted.retain_as_published) == (mqtt5.QoS.AT_LEAST_ONCE, True)
        assert wanted.retain_handling == mqtt5.RetainHandling.SEND_NEVER


@in_loop
async def test_a_command_is_acknowledged_at_once_executed_and_answered_with_its_correlation_data() -> None:
    """The answer is QoS 1, JSON, and echoes the correlation data to the byte."""
    bench = Bench(mqtt_message_expiry=77)
    bench.connect()
    bench.hear(message(packet_id=513))
    assert ids(bench.wire.of(mqtt5.PubAckPacket)) == [513]
    await bench.settle()

    [answer] = bench.wire.of(mqtt5.PublishPacket)
    assert bench.wire.pushed == len(bench.wire.packets)
    assert bench.executed == [({"command": "stop", "machine_id": "CNC-03"}, "mqtt hmi")]
    assert json.loads(bytes(answer.payload)) == {"at": "2026-01-01T00:00:00.000Z", "answer": {"command": "stop"}}
    assert (answer.topic, bytes(answer.correlation_data)) == ("reply/here", b"\x00\xffcorrelation")
    assert (answer.qos, answer.retain, answer.content_type) == (mqtt5.QoS.AT_LEAST_ONCE, False, "application/json")
    assert (answer.payload_format_indicator, answer.message_expiry_interval) == (1, 77)
    assert AT_MS == 1_767_225_600_000
    assert bench.counted() == {"executed": 1}


@in_loop
async def test_without_a_response_topic_nothing_is_answered() -> None:
    """QoS 0 is not acknowledged either."""
    bench = Bench()
    bench.connect()
    bench.hear(message(reply=None, packet_id=None), message(b"no JSON", reply=None))
    await bench.settle()

    assert len(bench.executed) == 1
    assert bench.wire.of(mqtt5.PublishPacket) == []
    assert len(bench.wire.of(mqtt5.PubAckPacket)) == 1
    assert bench.counted() == {"executed": 1, "malformed": 1}


@in_loop
async def test_the_sibling_systems_form_is_taken() -> None:
    """Its controller sends reason, command_id, device_id and ts as well; the id comes back with the answer."""
    said = {
        "command": "stop",
        "reason": "overheat",
        "command_id": 12,
        "device_id": "CNC-03",
        "ts": "2026-01-05T08:00:00Z",
    }
    bench = Bench()
    bench.connect()
    with Lines() as lines:
        bench.hear(message(json.dumps(said).encode(), publisher="controller"))
        await bench.settle()

    assert bench.executed == [({"command": "stop", "machine_id": "CNC-03"}, "mqtt controller")]
    assert bench.answers()[0]["command_id"] == 12
    assert lines.count("command over MQTT by=mqtt controller command=stop reason=overheat command_id=12") == 1


REFUSED: dict[str, tuple[bytes, str, int, str, str]] = {
    # payload, target, status, outcome, words of the answer
    "no JSON": (b"{", "CNC-03", 400, "malformed", "is no JSON"),
    "not UTF-8": (b'{"command":"\xff"}', "CNC-03", 400, "malformed", "is no JSON"),
    "an array": (b"[1]", "CNC-03", 400, "malformed", "must be a JSON object"),
    "nothing": (b"", "CNC-03", 400, "malformed", "is no JSON"),
    "nested too deeply": (
        b'{"command":' + b"[" * 16_000 + b"]" * 16_000 + b"}",
        "CNC-03",
        400,
        "malformed",
        "is no JSON",
    ),
    "too long": (b'{"command":"stop","reason":"' + b"x" * 32_768 + b'"}', "CNC-03", 413, "oversized", "at most 32,768"),
    "no command": (b"{}", "CNC-03", 422, "refused", "command: is missing"),
    "a command that is a list": (b'{"command":[]}', "CNC-03", 422, "refused", "command: must be one of"),
    "an unknown command": (b'{"command":"explode"}', "CNC-03", 422, "refused", "command: must be one of"),
    "an unknown key": (b'{"command":"stop","force":true}', "CNC-03", 422, "refused", "force"),
    "another machine": (
        b'{"command":"stop","machine_id":"CNC-04"}',
        "CNC-03",
        422,
        "refused",
        "machine_id: must be the machine in the topic",
    ),
    "another device": (
        b'{"command":"stop","device_id":"CNC-04"}',
        "CNC-03",
        422,
        "refused",
        "device_id: must be the machine in the topic",
    ),
    "a machine for the plant": (
        b'{"command":"stop","machine_id":"CNC-03"}',
        "-",
        422,
        "refused",
        "machine_id: must be the machine",
    ),
    "no machine": (b'{"command":"stop"}', "-", 422, "refused", "its topic must have the machine's id"),
    "the plant at a machine": (b'{"command":"rate"}', "CNC-03", 422, "refused", "is for the whole plant"),
    "a reason that is no text": (
        b'{"command":"stop","reason":{"a":1}}',
        "CNC-03",
        422,
        "refused",
        "reason: must be a number, or text",
    ),
    "a long reason": (
        b'{"command":"stop","reason":"' + b"x" * 201 + b'"}',
        "CNC-03",
        422,
        "refused",
        "at most 200 characters",
    ),
    "a number beyond doubles": (
        b'{"command":"scale","message_type":"cnc_machine","count":1' + b"0" * 5000 + b"}",
        "-",
        400,
        "malformed",
        "is no JSON",
    ),
    "a huge number": (
        b'{"command":"scale","message_type":"cnc_machine","count":1' + b"0" * 300 + b"}",
        "-",
        422,
        "refused",
        "count",
    ),
    "no such machine": (b'{"command":"stop"}', "CNC-99", 422, "unknown_machine", "no machine has the id CNC-99"),
}


@pytest.mark.parametrize("what", REFUSED)
@in_loop
async def test_what_breaks_a_rule_is_acknowledged_counted_and_answered_with_problem_details(what: str) -> None:
    """And nothing is executed."""
    payload, target, status, outcome, words = REFUSED[what]
    bench = Bench()
    bench.connect()
    bench.hear(message(payload, target))
    await bench.settle()

    [answer] = bench.wire.of(mqtt5.PublishPacket)
    content = json.loads(bytes(answer.payload))
    assert (content["status"], answer.content_type) == (status, "application/problem+json")
    assert words in content["detail"]
    assert len(answer.payload) < 1500
    assert len(bench.wire.of(mqtt5.PubAckPacket)) == 1
    assert bench.counted() == {outcome: 1}
    assert bench.executed == []


@in_loop
async def test_a_retained_command_is_ignored_and_said_so() -> None:
    """In the log, in the counts, and in the answer."""
    bench = Bench()
    bench.connect()
    with Lines() as lines:
        bench.hear(message(retain=True))
        await bench.settle()

    assert bench.executed == []
    assert bench.counted() == {"retained": 1}
    assert "a retained command is ignored" in bench.answers()[0]["detail"]
    assert (
        lines.count("outcome=retained topic=factory/commands/hmi/CNC-03: refused: a retained command is ignored") == 1
    )


@in_loop
async def test_what_the_plant_refuses_and_its_own_errors_are_answered() -> None:
    """The problem of the front as it is; of an error of ours no word goes out."""
    bench = Bench()
    bench.connect()
    bench.problem = Problem(422, "fault: is there already", [FieldError("/fault", "is there already")])
    bench.hear(message())
    await bench.settle()
    bench.problem = Problem(503, "too many commands wait")
    bench.hear(message())
    await bench.settle()
    bench.problem = RuntimeError("secret")
    with Lines() as lines:
        bench.hear(message())
        await bench.settle()

    refused, busy, failed = bench.answers()
    assert refused["errors"] == [{"pointer": "/fault", "detail": "is there already"}]
    assert (busy["status"], failed["status"]) == (503, 500)
    assert "secret" not in str(failed)
    assert lines.count("command over MQTT failed") == 1
    assert bench.counted() == {"refused": 1, "busy": 1, "failed": 1}


RESPONSES = (
    "reply/+",
    "#",
    "$SYS/x",
    "factory/commands/hmi/CNC-03",
    "factory/cnc",
    "factory/orders",
    "a//b",
    "a\0b",
    "",
)


@pytest.mark.parametrize("reply", RESPONSES)
@in_loop
async def test_a_response_topic_that_must_not_be_published_to_refuses_the_command(reply: str) -> None:
    """It has a wildcard, is the broker's, or a topic of commands or of the plant's messages: counted, no answer."""
    whole = message(reply="R" * len(reply)).write().replace(b"R" * len(reply), reply.encode(), 1) if reply else None
    bench = Bench()
    bench.connect()
    bench.hear(
        whole or message(reply="R").write().replace(b"\x08\x00\x01R", b"\x08\x00\x01 ", 1).replace(b" ", b"/", 1)
    )
    await bench.settle()

    assert bench.executed == []
    assert bench.counted() == {"response_topic": 1}
    assert bench.wire.of(mqtt5.PublishPacket) == []
    assert len(bench.wire.of(mqtt5.PubAckPacket)) == 1


@in_loop
async def test_bytes_of_another_client_that_are_no_text_do_not_end_the_connection() -> None:
    """A broker may pass them on unchecked: response topic, content type and user properties."""
    frame = message(reply="AA").write().replace(b"AA", b"\xff\xfe")
    bench = Bench()
    bench.connect()
    bench.hear(frame)

    assert bench.counted() == {"response_topic": 1}


@in_loop
async def test_machine_topics_of_the_plant_are_no_response_topics_in_any_layout() -> None:
    """Also those that a machine would have that is added later."""
    for layout, reply in (("machine", "factory/cnc/CNC-77"), ("type", "factory/oee/CNC-01")):
        data = plants.default()
        data["message_types"]["oee"] = {"enabled": True}
        bench = Bench(parse(data), topic_layout=layout)
        bench.connect()
        bench.hear(message(reply=reply))

        assert bench.counted() == {"response_topic": 1}


@in_loop
async def test_a_message_on_another_topic_is_counted_as_foreign_and_ignored() -> None:
    """A session may have a subscription of before."""
    bench = Bench()
    bench.connect()
    bench.hear(message(topic="other/topic"), message(topic="factory/commands/hmi/CNC-03/more"))
    await bench.settle()

    assert bench.counted() == {"foreign": 2}
    assert bench.executed == []


# At least once, and not twice


@in_loop
async def test_a_message_that_comes_again_in_its_session_is_acknowledged_and_not_executed_again() -> None:
    """The acknowledgement was lost with the connection."""
    bench = Bench()
    bench.connect()
    bench.hear(message(packet_id=5))
    await bench.settle()
    bench.connect(session_present=True)
    bench.hear(message(packet_id=5, duplicate=True))
    await bench.settle()

    assert len(bench.executed) == 1
    assert ids(bench.wire.of(mqtt5.PubAckPacket)) == [5]
    assert bench.counted() == {"executed": 1, "repeated": 1}


@in_loop
async def test_what_was_never_received_is_executed_although_it_comes_as_a_repetition() -> None:
    """Another packet id, another content, or another session: it is not the one that was taken."""
    bench = Bench()
    bench.connect()
    bench.hear(message(packet_id=5))
    bench.connect(session_present=True)
    bench.hear(message(packet_id=6, duplicate=True), message(b'{"command":"start"}', packet_id=5, duplicate=True))
    bench.connect(session_present=False)
    bench.hear(message(packet_id=6, duplicate=True))
    await bench.settle()

    assert [command["command"] for command, _ in bench.executed] == ["stop", "stop", "start", "stop"]


@in_loop
async def test_only_the_newest_message_of_a_packet_id_counts_as_taken() -> None:
    """A broker that always takes the lowest id: stop, start, and a second stop that was lost on its way."""
    bench = Bench()
    bench.connect()
    bench.hear(message(packet_id=1), message(b'{"command":"start"}', packet_id=1))
    bench.connect(session_present=True)
    bench.hear(message(packet_id=1, duplicate=True))
    await bench.settle()

    assert [command["command"] for command, _ in bench.executed] == ["stop", "start", "stop"]


@in_loop
async def test_answers_that_a_lost_connection_took_are_sent_again_and_before_others() -> None:
    """With DUP where the session was kept."""
    bench = Bench()
    bench.connect(Limits(100, answers=1))
    bench.hear(message(packet_id=1, correlation=b"a"), message(packet_id=2, correlation=b"b"))
    await bench.settle()
    assert len(bench.wire.of(mqtt5.PublishPacket)) == 1
    wire = bench.connect(Limits(100, answers=1), session_present=True)

    [again] = wire.of(mqtt5.PublishPacket)
    assert (bytes(again.correlation_data), again.duplicate) == (b"a", True)
    assert bench.lane.subscription.acknowledged([again.packet_id], 0) == 1
    bench.lane.subscription.fill()
    _, other = wire.of(mqtt5.PublishPacket)
    assert (bytes(other.correlation_data), other.duplicate) == (b"b", False)
    assert bench.lane.subscription.acknowledged([other.packet_id, 3000], 0x87) == 1
    assert bench.lane.subscription.status().answers == {"acknowledged": 1, "refused": 1, "dropped": 0}


@in_loop
async def test_where_the_broker_allows_no_qos_1_answers_are_sent_at_qos_0() -> None:
    """Or where its Receive Maximum is 1, which telemetry has."""
    for limits in (Limits(100, qos=0, most_qos=0, answers=8), Limits(1, answers=0)):
        bench = Bench()
        bench.connect(limits)
        bench.hear(message())
        await bench.settle()

        assert bench.wire.of(mqtt5.PublishPacket)[0].qos == mqtt5.QoS.AT_MOST_ONCE
        assert bench.lane.subscription.status().answers["acknowledged"] == 1


# Bounds


@in_loop
async def test_nothing_is_written_while_the_connection_is_full_and_all_of_it_afterwards() -> None:
    """Acknowledgements too, so that a broker that does not read costs no memory."""
    bench = Bench()
    wire = bench.connect()
    wire.writable = False
    bench.hear(*(message(packet_id=number) for number in range(1, RECEIVE_MAXIMUM + 1)))
    await bench.settle()
    assert len(wire.packets) == 1
    with pytest.raises(Violation, match="more than 32 unacknowledged"):
        bench.hear(message(packet_id=999))
    wire.writable = True
    bench.lane.subscription.fill()

    assert ids(wire.of(mqtt5.PubAckPacket)) == [*range(1, RECEIVE_MAXIMUM + 1)]
    assert len(wire.of(mqtt5.PublishPacket)) == 8


@in_loop
async def test_beyond_a_thousand_waiting_commands_the_answer_is_busy() -> None:
    """Acknowledgements go on, and nothing waits for a plant that does not answer."""
    bench = Bench()
    bench.hold = asyncio.Event()
    bench.connect()
    bench.hear(*(message(packet_id=1 + number % 30) for number in range(1003)))
    assert len(bench.wire.of(mqtt5.PubAckPacket)) == 1003
    assert bench.counted() == {"busy": 3}
    bench.hold.set()
    await bench.settle()

    assert bench.counted() == {"busy": 3, "executed": 1000}
    assert bench.answers()[0]["status"] == 503


@in_loop
async def test_a_flood_of_long_commands_stays_within_a_few_mebibytes() -> None:
    """Of a plant and a broker that both have stopped answering: commands, what their answers repeat, and answers."""
    bench = Bench()
    bench.hold = asyncio.Event()
    bench.connect(Limits(100, answers=1))
    reply, correlation = "reply/" + "r" * 20_000, b"c" * 20_000
    frames = [message(packet_id=None, reply=reply, correlation=correlation).write() for _ in range(10)]
    frames += [message(b"{" * 20_000, packet_id=None, reply=reply, correlation=correlation).write() for _ in range(10)]
    tracemalloc.start()
    for second in range(100):
        bench.clock = float(second)
        bench.hear(*frames)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 6 * 2**20
    assert bench.lane.subscription.status().answers["dropped"] > 1000
    assert bench.counted()["busy"] > 900
    assert answers_module.MOST_BYTES == 2**20
    bench.hold.set()
    await bench.settle()


@in_loop
async def test_at_qos_0_a_thousand_messages_a_second_are_read_and_the_rest_is_counted_as_busy() -> None:
    """Nothing else limits them; at QoS 1 the broker waits for acknowledgements, and each is read and answered."""
    bench = Bench()
    bench.connect()
    with Lines() as lines:
        bench.hear(*[message(b"no", packet_id=None).write()] * 2500)
        assert bench.counted() == {"malformed": 1000, "busy": 1500}
        bench.hear(message(b"no", packet_id=3))
        bench.clock = 1.0
        bench.hear(message(b"no", packet_id=None))

    assert bench.counted() == {"malformed": 1002, "busy": 1500}
    assert lines.count("commands over MQTT come too fast") == 1


@in_loop
async def test_an_answer_longer_than_the_broker_allows_is_dropped_and_counted() -> None:
    """The broker would close the connection for it."""
    bench = Bench()
    bench.connect(Limits(100, answers=8, frame_bytes=60))
    bench.hear(message())
    await bench.settle()

    assert bench.wire.of(mqtt5.PublishPacket) == []
    assert bench.lane.subscription.status().answers == {"acknowledged": 0, "refused": 0, "dropped": 1}


@in_loop
async def test_a_flood_of_refusals_is_a_line_each_half_a_minute() -> None:
    """By outcome, with the number of those that were held back."""
    bench = Bench()
    bench.connect()
    with Lines() as lines:
        bench.hear(*(message(b"no", packet_id=None) for _ in range(500)))
        bench.clock = 31.0
        bench.hear(message(b"no", packet_id=None))

    assert lines.count("outcome=malformed") == 2
    assert lines.count("(suppressed=499 since the last line)") == 1


@in_loop
async def test_a_plant_that_has_stopped_executes_nothing_and_says_so() -> None:
    """What waits is answered with 503, as what comes is."""
    bench = Bench()
    bench.hold = asyncio.Event()
    bench.connect()
    bench.hear(message())
    bench.lane.desk.stop()
    bench.hear(message())
    bench.hold.set()
    await bench.settle()

    assert bench.executed == []
    assert [answer["status"] for answer in bench.answers()] == [503, 503]


# The subscription


@in_loop
async def test_a_refused_subscription_is_logged_in_words_and_shown() -> None:
    """The reason code, and what to look at; the broker's own words are cut."""
    bench = Bench()
    bench.connect()
    with Lines() as lines:
        bench.hear(mqtt5.SubAckPacket(1, [mqtt5.SubAckReasonCode.NOT_AUTHORIZED], reason_str="ask Bob"))

    why = "0x87 Not authorized (subscribing to these topics is not allowed: check the broker's authorization)"
    status = bench.lane.subscription.status()
    assert not status.subscribed
    assert status.why_not == f"{why}; reason string: ask Bob"
    assert lines.count("no commands over MQTT: the broker refused the subscription to factory/commands/+/+: 0x87") == 1


@in_loop
async def test_the_state_of_the_subscription_follows_the_connection() -> None:
    """Asked, granted, and gone with the connection."""
    bench = Bench()
    assert bench.lane.subscription.status().why_not == "not connected"
    bench.connect()
    assert bench.lane.subscription.status().why_not == "the broker has not answered to the subscription"
    bench.hear(mqtt5.SubAckPacket(1, [mqtt5.SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE]))
    assert bench.lane.subscription.status().subscribed
    bench.lane.subscription.close()
    assert bench.lane.subscription.status().why_not == "not connected"


@in_loop
async def test_another_topic_in_the_yaml_is_subscribed_to_in_place_of_the_one_before() -> None:
    """Live, on the same connection; an answer to the subscription before is no answer to this one."""
    data = plants.default()
    data["commands"] = {"topic": "plant/{machine_id}/do"}
    bench = Bench()
    wire = bench.connect()
    bench.config = parse(data)
    bench.lane.invalidate()
    bench.hear(mqtt5.SubAckPacket(1, [mqtt5.SubAckReasonCode.NOT_AUTHORIZED]))
    assert bench.lane.subscription.status().why_not == "the broker has not answered to the subscription"
    [gone] = wire.of(mqtt5.UnsubscribePacket)
    bench.hear(mqtt5.UnsubAckPacket(gone.packet_id, [mqtt5.UnsubAckReasonCode.SUCCESS]))
    bench.hear(
        mqtt5.SubAckPacket(
            wire.of(mqtt5.SubscribePacket)[-1].packet_id, [mqtt5.SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE]
        )
    )
    bench.hear(message(topic="plant/CNC-03/do"))
    await bench.settle()

    assert gone.patterns == ["factory/commands/+/+"]
    assert bench.lane.subscription.status().topics == "plant/+/do"
    assert bench.executed == [({"command": "stop", "machine_id": "CNC-03"}, "mqtt")]


@pytest.mark.parametrize(
    "packet",
    [
        mqtt5.SubAckPacket(7, [mqtt5.SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE]),
        mqtt5.UnsubAckPacket(7, [mqtt5.UnsubAckReasonCode.SUCCESS]),
    ],
)
@in_loop
async def test_an_answer_that_was_not_asked_for_is_a_violation(packet: Any) -> None:
    """Of a packet id that waits for none."""
    bench = Bench()
    bench.connect()

    with pytest.raises(Violation, match="sent an unexpected"):
        bench.hear(packet)


# Parts of a plant

OF_PARTS: dict[str, tuple[bytes, str, tuple[bool, bool], tuple[bool, bool]]] = {
    # payload, target; whether part 1 and part 2 of 2 execute; whether they answer
    "a machine of part 1": (b'{"command":"stop"}', "CNC-03", (True, False), (True, False)),
    "a machine of part 2": (b'{"command":"stop"}', "CNC-02", (False, True), (False, True)),
    "the plant": (b'{"command":"rate","messages_per_second":9}', "-", (True, True), (True, False)),
    "no machine": (b'{"command":"stop"}', "CNC-99", (False, False), (True, False)),
    "nonsense for part 2": (b"{", "CNC-02", (False, False), (False, True)),
    "nonsense for the plant": (b"{", "-", (False, False), (True, False)),
}


@pytest.mark.parametrize("what", OF_PARTS)
@in_loop
async def test_each_part_executes_what_concerns_it_and_one_answers(what: str) -> None:
    """A machine of another part is that part's business; the first answers for the plant, and for what is nowhere."""
    payload, target, executing, answering = OF_PARTS[what]
    parts = [Bench(part=(number, 2)) for number in (1, 2)]
    for bench in parts:
        bench.connect()
        bench.hear(message(payload, target))
        await bench.settle()

    assert tuple(bool(bench.executed) for bench in parts) == executing
    assert tuple(bool(bench.answers()) for bench in parts) == answering
    assert all(len(bench.wire.of(mqtt5.PubAckPacket)) == 1 for bench in parts)


@in_loop
async def test_commands_that_wait_at_the_end_are_refused_and_counted() -> None:
    """They have been acknowledged, so nobody would hear of them otherwise; also those that have not begun."""
    bench = Bench()
    bench.connect()
    bench.hold = asyncio.Event()
    bench.hear(message(packet_id=1))
    await bench.settle()
    bench.hear(message(packet_id=2))
    bench.lane.desk.stop()
    await bench.settle()

    assert bench.executed == []
    assert bench.counted() == {"busy": 2}
    assert [each["status"] for each in bench.answers()] == [503, 503]
