"""Facts about MQTT_VERSION=3.1.1: what is sent to a broker and taken from it; with mosquitto, and with a script."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from fuzz.rogue import CONNECT, DISCONNECT, PUBLISH, Peer, Rogue, Script, length, packet
from messages import START, FactoryMessageGenerator
from tests.conftest import StartMosquitto
from tests.support.brokers.checks import check, check_nothing_lost, identified
from tests.support.brokers.mosquitto import PASSWORD, USERNAME, Mosquitto
from tests.support.brokers.rawclient import in_loop
from tests.support.brokers.rig import Lines, Rig, busy_plant, settings_for, until
from tests.support.brokers.scenes import refusal
from tests.support.brokers.subscriber import Recorder
from tests.support.examples import THOROUGH

pytestmark = pytest.mark.usefixtures("brisk", "hurried")

MESSAGES = 10_000 if THOROUGH else 2_000
WELCOME, KEPT = b"\x20\x02\x00\x00", b"\x20\x02\x01\x00"
"""CONNACK of a new session, and of one that the broker has kept (MQTT 3.1.1, 3.2)."""


def rig_at(port: int, **options: object) -> Rig:
    """A client with MQTT 3.1.1."""
    return Rig(settings_for(port, mqtt_version="3.1.1", **options))


@asynccontextmanager
async def facing(script: Script, **options: object) -> AsyncIterator[tuple[Rogue, Rig]]:
    """A broker with a script, and a client of it."""
    async with Rogue(script) as rogue, rig_at(rogue.port, **options) as rig:
        yield rogue, rig


async def behave(peer: Peer) -> None:
    """Do all that is right."""
    await peer.hear(CONNECT)
    await peer.say(WELCOME)
    await peer.behave(greeted=True)


def at_first(answer: bytes) -> Script:
    """Answer so to the first CONNECT, and do all that is right from the second connection on."""

    async def script(peer: Peer) -> None:
        if peer.number > 1:
            await behave(peer)
            return
        await peer.hear(CONNECT)
        await peer.say(answer)
        await peer.gone()

    return script


# What is sent


@in_loop
async def test_connect_has_level_4_and_no_properties_and_disconnect_two_bytes() -> None:
    """Byte for byte (MQTT 3.1.1, 3.1 and 3.14); the clean stop has nothing after DISCONNECT."""
    async with facing(behave, mqtt_keep_alive=60) as (rogue, rig):
        await rig.connected()
        rig.offer("CNC-01 1")
        await rig.finish()
        await until(lambda: rogue.peers[0].heard[-1][0] == DISCONNECT, "DISCONNECT")

        [connect, publish, disconnect] = rogue.peers[0].heard
        assert connect == (0x10, b"\x00\x04MQTT\x04\x02\x00\x3c\x00\x03rig")
        assert publish == (0x32, b"\x00\x0bfactory/cnc\x04\x00" + b'{"row":1}')
        assert disconnect == (0xE0, b"")
        assert rig.ledger.acknowledged == 1


@in_loop
async def test_user_name_and_password_follow_the_client_id() -> None:
    """With their flags (MQTT 3.1.1, 3.1.2.8, 3.1.2.9 and 3.1.3)."""
    login = {"mqtt_auth_method": "USERPASS", "mqtt_username": "u", "mqtt_password": b"p\xff"}
    async with facing(behave, **login) as (rogue, rig):
        await rig.connected()

        assert rogue.peers[0].heard[0][1] == b"\x00\x04MQTT\x04\xc2\x00\x3c\x00\x03rig\x00\x01u\x00\x02p\xff"


SESSIONS: dict[str, tuple[dict[str, object], list[int]]] = {
    "as it comes": ({}, [2, 2, 2]),
    "kept": ({"mqtt_session_expiry": 3600}, [0, 0, 0]),
    "kept from a clean start on": ({"mqtt_session_expiry": 3600, "mqtt_clean_start": True}, [2, 0, 0]),
    "clean start alone": ({"mqtt_clean_start": True}, [2, 2, 2]),
}


@pytest.mark.parametrize("what", SESSIONS)
@in_loop
async def test_a_session_is_kept_only_where_an_expiry_asks_for_it(what: str) -> None:
    """Clean Session is the second bit of the connect flags (MQTT 3.1.1, 3.1.2.4)."""
    options, flags = SESSIONS[what]
    async with facing(behave, **options) as (rogue, rig):
        for number in (1, 2):
            await rig.connected(times=number)
            rogue.peers[-1].reset()
        await rig.connected(times=3)

        assert [peer.heard[0][1][7] for peer in rogue.peers] == flags


@in_loop
async def test_no_more_is_in_flight_than_the_window() -> None:
    """A broker of MQTT 3.1.1 has no Receive Maximum to lower it."""

    async def silent(peer: Peer) -> None:
        await peer.hear(CONNECT)
        await peer.say(WELCOME)
        await peer.gone()

    async with facing(silent, mqtt_window=7) as (rogue, rig):
        await rig.connected()
        rig.offer(*(f"CNC-{machine} 1" for machine in range(20)))
        await until(lambda: len(rogue.peers[0].heard) == 1 + 7, "a window of messages")

        assert rig.ledger.in_flight == 7


# What is taken


REFUSED = {
    1: (
        "return code 1 Unacceptable protocol version (the broker does not support MQTT 3.1.1: set MQTT_VERSION=5)",
        True,
    ),
    2: ("return code 2 Identifier rejected (the broker does not accept this client id (MQTT_CLIENT_ID); every", True),
    3: ("return code 3 Server unavailable", False),
    4: ("return code 4 Bad user name or password (the broker requires a user name and a password", True),
    5: ("return code 5 Not authorized (the broker requires a login (MQTT_AUTH_METHOD))", True),
}


@pytest.mark.parametrize("code", REFUSED)
@in_loop
async def test_each_return_code_has_its_words_and_its_outcome(code: int, lines: Lines) -> None:
    """3 is tried again, and the others end the process (MQTT 3.1.1, 3.2.2.3)."""
    words, final = REFUSED[code]
    async with facing(at_first(packet(0x20, bytes((0, code))))) as (_, rig):
        if final:
            refused = await refusal(rig)
            assert refused.final
            assert f"the broker refused the connection: {words}" in str(refused)
        else:
            await rig.connected()
            assert lines.count(f"the broker refused the connection: {words}; retrying in") == 1


@in_loop
async def test_a_broker_of_mqtt_5_alone_is_told_by_its_own_refusal() -> None:
    """It may answer in the form of MQTT 5 to any version (MQTT 5, 3.1.2.2)."""
    async with facing(at_first(b"\x20\x03\x00\x84\x00")) as (_, rig):
        assert "the broker does not support MQTT 3.1.1: set MQTT_VERSION=5" in str(await refusal(rig))


@in_loop
async def test_with_mqtt_5_a_broker_of_3_1_1_alone_is_told_by_its_return_code() -> None:
    """The line has the option that helps."""
    async with Rogue(at_first(b"\x20\x02\x00\x01")) as rogue, Rig(settings_for(rogue.port)) as rig:
        assert "the broker does not support MQTT 5: set MQTT_VERSION=3.1.1" in str(await refusal(rig))


NOT_ASKED_FOR = {
    "a DISCONNECT": (b"\xe0\x00", "sent an unexpected DISCONNECT"),
    "an AUTH": (b"\xf0\x00", "sent an unexpected AUTH"),
    "a PUBLISH": (packet(0x30, b"\x00\x01t{}"), "sent an unexpected PUBLISH"),
    "a PUBLISH of 256 MiB": (b"\x30\xff\xff\xff\x7f" + b"x" * 65_536, "sent an unexpected PUBLISH"),
    "a SUBACK": (packet(0x90, b"\x00\x01\x01"), "sent an unexpected SUBACK"),
    "a second CONNACK": (WELCOME, "sent a second CONNACK"),
    "a PUBACK with a reason code": (packet(0x40, b"\x04\x00\x10"), "sent a malformed PUBACK"),
    "PUBACKs with reason codes": (packet(0x40, b"\x04\x00\x00") * 2, "sent a malformed PUBACK"),
    "a PINGRESP with more": (b"\xd0\x01\x00", "sent a malformed PINGRESP"),
    "answers without end": (b"\x40\x02\x90\x00" * 3000, "answers to packets that we had not sent"),
    "a CONNACK of 64 KiB": (b"\x20" + length(65_534), "sent a packet of 65,538 bytes; our maximum is 65,536"),
}


@pytest.mark.parametrize("what", NOT_ASKED_FOR)
@in_loop
async def test_what_breaks_a_rule_ends_the_connection_without_disconnect(what: str, lines: Lines) -> None:
    """DISCONNECT would say that all is well. The next connection has a new session, whatever was asked for."""
    data, why = NOT_ASKED_FOR[what]
    async with facing(at_first(WELCOME + data), mqtt_session_expiry=60) as (rogue, rig):
        rig.offer("CNC-01 1")
        await rig.connected(times=2)
        await rig.finish()

        assert DISCONNECT not in [first for first, _ in rogue.peers[0].heard]
        assert lines.count("closed the connection (") == 1
        assert lines.count(why) == 1
        assert [peer.heard[0][1][7] for peer in rogue.peers] == [0, 2]
        assert (rig.ledger.acknowledged, rig.notes.wrong) == (1, [])


BAD_WELCOMES = {
    "properties": b"\x00\x00\x00",
    "a session that was to be forgotten": b"\x01\x00",
    "a session and a refusal": b"\x01\x05",
    "a reserved return code": b"\x00\x06",
    "nothing": b"",
}


@pytest.mark.parametrize("what", BAD_WELCOMES)
@in_loop
async def test_a_connack_that_cannot_be_is_a_fault_of_the_broker(what: str, lines: Lines) -> None:
    """It is reported so, and tried again."""
    async with facing(at_first(packet(0x20, BAD_WELCOMES[what]))) as (rogue, rig):
        await rig.connected()

        assert [first for first, _ in rogue.peers[0].heard] == [CONNECT]
        assert lines.count("closed the connection (") == 1


@pytest.mark.parametrize("kept", [True, False])
@in_loop
async def test_what_was_not_acknowledged_is_sent_again_as_a_duplicate_where_the_session_was_kept(kept: bool) -> None:
    """With the packet id that it had (MQTT 3.1.1, 4.4); DUP is the fourth bit of the first byte."""

    async def script(peer: Peer) -> None:
        await peer.hear(CONNECT)
        await peer.say(KEPT if kept and peer.number > 1 else WELCOME)
        if peer.number > 1:
            await peer.behave(greeted=True)
            return
        await peer.hear(PUBLISH)
        peer.reset()

    async with facing(script, mqtt_session_expiry=60 if kept else 0) as (rogue, rig):
        rig.offer("CNC-01 1")
        await rig.finish()

        first, again = rogue.peers[0].heard[1], rogue.peers[1].heard[1]
        assert (first[0], again[0]) == (0x32, 0x3A if kept else 0x32)
        assert first[1] == again[1]


@in_loop
async def test_a_broker_that_closes_gives_no_reason_and_the_line_says_so(lines: Lines) -> None:
    """MQTT 3.1.1 has no DISCONNECT from a broker, so a refused message may look like this too."""

    async def script(peer: Peer) -> None:
        await peer.hear(CONNECT)
        await peer.say(WELCOME)
        if peer.number > 1:
            await peer.behave(greeted=True)
        peer.close()

    async with facing(script) as (_, rig):
        await rig.connected(times=2)

        assert lines.count("the broker closed the connection, and MQTT 3.1.1 cannot say why; retrying in") == 1


@in_loop
async def test_a_connection_that_is_dead_is_dropped(lines: Lines) -> None:
    """No answer to a ping, or no acknowledgement, for one and a half keep-alives."""

    async def script(peer: Peer) -> None:
        if peer.number > 2:
            await behave(peer)
            return
        await peer.hear(CONNECT)
        await peer.say(WELCOME)
        await peer.gone()

    async with facing(script, mqtt_keep_alive=1) as (_, rig):
        await rig.connected(times=2)
        rig.offer("CNC-01 1")
        await rig.connected(times=3)
        await rig.finish()

        assert lines.count("dropped an open connection: no answer to a ping for 1 s") == 1
        assert lines.count("dropped an open connection: no ") == 2
        assert rig.ledger.acknowledged == 1


# With mosquitto


@pytest.fixture
def broker(start_mosquitto: StartMosquitto) -> Mosquitto:
    """A mosquitto with a plain listener."""
    return start_mosquitto(listeners=("plain",))


@in_loop
async def test_thousands_of_messages_arrive_as_the_ledger_has_them(broker: Mosquitto) -> None:
    """A busy plant's messages of all seven kinds: each is there once, with topic and payload, and no properties."""
    said = FactoryMessageGenerator.of(busy_plant(), "thousands").advance(START + MESSAGES / 400)[:MESSAGES]
    with Recorder(broker.ports["plain"]) as recorder:
        async with rig_at(broker.ports["plain"]) as rig:
            rig.hand_over(said)
            await rig.finish()
        records = await asyncio.to_thread(recorder.wait_for, MESSAGES, 15.0)
    named = identified(rig, records)
    assert check(rig, named) == (MESSAGES, 0)
    check_nothing_lost(rig, named)
    assert {(one.qos, one.retain, one.content_type, one.payload_format, one.expiry_seconds) for one in records} == {
        (1, False, None, None, None)
    }
    assert "as rig (p2, c1, k60)" in broker.log_tail()  # its name for level 4, with Clean Session


@in_loop
async def test_at_qos_0_all_arrive_too(broker: Mosquitto) -> None:
    """Without a packet id."""
    with Recorder(broker.ports["plain"]) as recorder:
        async with rig_at(broker.ports["plain"], mqtt_qos=0) as rig:
            await rig.connected()
            rig.offer(*(f"CNC-01 {number}" for number in range(1, 501)))
            await rig.finish()
        records = await asyncio.to_thread(recorder.wait_for, 500)
    assert [one.payload for one in records] == [b'{"row":%d}' % number for number in range(1, 501)]
    assert {one.qos for one in records} == {0}


@pytest.mark.parametrize("kept", [False, True])
@in_loop
async def test_after_a_clean_stop_mosquitto_has_the_session_only_where_it_was_to_be_kept(
    kept: bool, broker: Mosquitto, lines: Lines
) -> None:
    """The next client with the id asks for it. MQTT 3.1.1 has no way to end a kept one with DISCONNECT."""
    options: dict[str, object] = {"mqtt_session_expiry": 3600} if kept else {}
    async with rig_at(broker.ports["plain"], **options) as rig:
        await rig.connected()
        await rig.finish()
    async with rig_at(broker.ports["plain"], mqtt_session_expiry=3600) as rig:
        await rig.connected()

    assert lines.count("session=kept") == (1 if kept else 0)


@in_loop
async def test_logins_by_password_and_certificate_work_over_tls(start_mosquitto: StartMosquitto, lines: Lines) -> None:
    """A wrong password is final, and the line names the options."""
    broker = start_mosquitto(listeners=("password", "x509"))
    held = broker.credentials
    tls = {"mqtt_tls": True, "mqtt_ca_file": held.ca_file}
    password = tls | {"mqtt_auth_method": "USERPASS", "mqtt_username": USERNAME}
    certificate = {"mqtt_cert_file": held.client_cert_file, "mqtt_key_file": held.client_key_file}
    async with rig_at(broker.ports["password"], **password, mqtt_password=PASSWORD.encode()) as rig:
        rig.offer("CNC-01 1")
        await rig.finish()
        assert rig.ledger.acknowledged == 1
    async with rig_at(broker.ports["x509"], **tls, **certificate, mqtt_auth_method="X509") as rig:
        rig.offer("CNC-01 1")
        await rig.finish()
        assert rig.ledger.acknowledged == 1
    async with rig_at(broker.ports["password"], **password, mqtt_password=b"wrong") as rig:
        refused = await refusal(rig)

    assert "return code 5 Not authorized (the broker does not accept this user: check MQTT_USERNAME" in str(refused)
    assert lines.count("auth=USERPASS tls=on session=new") == 1


@in_loop
async def test_a_message_that_mosquitto_refuses_counts_as_acknowledged(
    start_mosquitto: StartMosquitto, tmp_path: Path
) -> None:
    """PUBACK has no reason code; with MQTT 5 the same message is counted as refused."""
    rules = tmp_path / "acl"
    rules.write_text("topic read #\ntopic write allowed/#\n")
    broker = start_mosquitto(listeners=("plain",), options={"acl_file": rules})
    with Recorder(broker.ports["plain"]) as recorder:
        for version, prefix in (("3.1.1", "factory"), ("5", "factory"), ("3.1.1", "allowed")):
            options = {"mqtt_version": version, "mqtt_topic_prefix": prefix}
            async with Rig(settings_for(broker.ports["plain"], **options)) as rig:
                rig.offer("CNC-01 1")
                await rig.finish()
                outcome = rig.ledger.acknowledged, dict(rig.ledger.refused)
            assert outcome == ((0, {0x87: 1}) if version == "5" else (1, {}))
        records = await asyncio.to_thread(recorder.wait_for, 1)

    assert [one.topic for one in records] == ["allowed/cnc"]


@in_loop
async def test_it_waits_for_a_broker_that_starts_later(broker: Mosquitto) -> None:
    """What is queued meanwhile is sent when it is there."""
    broker.stop()
    async with rig_at(broker.ports["plain"]) as rig:
        rig.offer("CNC-01 1")
        await until(lambda: "cannot reach" in rig.broker.facts().last_reason, "an attempt")
        await asyncio.to_thread(broker.start)
        await rig.finish()

        assert rig.ledger.acknowledged == 1
