"""Access control of the embedded broker by mosquitto's file: what is decided, where it shows, and mistakes in it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mqtt5 import ConnectPacket, PubAckPacket, PublishPacket, QoS, SubAckPacket, SubscribePacket, TopicFilter, Will

from benchmarks.broker import program
from sandbox.access import ClientIds, Passwords
from sandbox.acl import Acl, AclError
from sandbox.broker import EmbeddedBroker, Listener
from sandbox.protocol.topics import covers, matches
from tests.sandbox.test_clients import needs_mosquitto, until
from tests.support.brokers.rawclient import connected, dialled, in_loop, message
from tests.support.brokers.rig import Lines
from tests.support.examples import examples
from tests.support.processes.ports import free_port
from tests.support.processes.waiting import wait_until

FILE = """\
# Who comes without a name may look, but not everywhere.
topic read factory/#
topic deny factory/admin/#

user controller
topic read factory/alarms/#
topic write factory/commands/controller/+
topic write factory/telemetry/controller/secret
topic readwrite factory/notes of the shift

user dashboard
topic read factory/#
topic readwrite factory/commands/dashboard/#
topic deny factory/commands/dashboard/press

# Devices, by their user name; and a corner of its own for every client.
pattern write factory/telemetry/%u/#
pattern read factory/commands/+/%u
pattern readwrite private/%c/#
pattern deny factory/telemetry/%u/secret
"""


class Case(NamedTuple):
    """Who wants to publish where, and whether it is allowed."""

    user: str | None
    client_id: str
    topic: str
    allowed: bool


WRITES = [
    Case(None, "x", "factory/telemetry/x", False),
    Case(None, "x", "private/x/note", True),
    Case(None, "x", "private/y/note", False),
    Case("controller", "c", "factory/commands/controller/press", True),
    Case("controller", "c", "factory/commands/controller/press/now", False),
    Case("controller", "c", "factory/commands/dashboard/press", False),
    Case("controller", "c", "factory/alarms/press", False),
    Case("controller", "c", "factory/notes of the shift", True),
    Case("controller", "c", "factory/telemetry/controller/t", True),
    Case("controller", "c", "factory/telemetry/controller/secret", True),
    Case("controller", "press", "factory/telemetry/press/t", False),
    Case("dashboard", "d", "factory/commands/dashboard/robot_arm", True),
    Case("dashboard", "d", "factory/commands/dashboard/press", False),
    Case("press", "press", "factory/telemetry/press/temperature", True),
    Case("press", "p2", "private/p2", True),
    Case("press", "press", "factory/telemetry/press/secret", False),
    Case("press", "press", "factory/telemetry/conveyor/temperature", False),
    Case("press", "+", "private/y/note", False),
    Case("press", "+", "factory/telemetry/press/temperature", False),
    Case("unknown", "x", "factory/telemetry/unknown/t", True),
    Case("unknown", "x", "elsewhere", False),
]
USERS = ("controller", "dashboard", "press", "unknown")


@pytest.mark.parametrize("case", WRITES, ids=str)
def test_a_publish_is_decided_by_the_file(case: Case) -> None:
    """Own lines before patterns, deny first, nothing without a line."""
    assert Acl.parse(FILE).permissions(case.user, case.client_id).may_write(case.topic) is case.allowed


@contextmanager
def mosquitto(folder: Path) -> Iterator[int]:
    """A real mosquitto with the same file, and with the users' passwords; its port."""
    port = free_port()
    (folder / "acl").write_text(FILE)
    (folder / "passwords").write_text("".join(f"{user}:{user}\n" for user in USERS))
    (folder / "conf").write_text(
        f"user root\nlistener {port} 127.0.0.1\nallow_anonymous true\n"
        f"password_file {folder}/passwords\nacl_file {folder}/acl\n"
    )
    subprocess.run([program("mosquitto_passwd"), "-U", str(folder / "passwords")], check=True)
    running = subprocess.Popen([program("mosquitto"), "-c", str(folder / "conf")], stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: answers(port), 10, "mosquitto")
        yield port
    finally:
        running.terminate()
        running.wait(5)


def answers(port: int) -> bool:
    """Whether a broker is there."""
    call = ["mosquitto_pub", "-p", str(port), "-t", "x", "-m", "x"]
    return subprocess.run(call, stderr=subprocess.DEVNULL, check=False).returncode == 0


@needs_mosquitto
@in_loop
async def test_mosquitto_decides_the_same_by_the_same_file(tmp_path: Path) -> None:
    """Each publish of the table gets the same reason code from mosquitto and from the embedded broker."""
    access = Passwords({user: user for user in USERS}, anonymous=True)
    async with EmbeddedBroker(Listener(access=access, acl=Acl.parse(FILE))) as broker:
        with mosquitto(tmp_path) as port:
            for case in WRITES:
                login: dict[str, Any] = {"username": case.user, "password": case.user and case.user.encode()}
                codes = set()
                for each in (port, broker.port):
                    async with connected(each, case.client_id, **login) as (client, _):
                        client.send(message(1, case.topic))
                        codes.add(int((await client.receive(PubAckPacket)).reason_code) & 0x80)
                assert codes == {0 if case.allowed else 0x80}, case


READS = [
    (None, "factory/#", True),
    (None, "#", False),
    (None, "factory/admin/#", False),
    (None, "factory/admin/x", False),
    (None, "factory/+/press", True),
    (None, "+/alarms", False),
    (None, "$share/g/factory/#", True),
    (None, "$share/g/#", False),
    ("controller", "factory/alarms/+/+", True),
    ("controller", "factory/telemetry/#", False),
    ("press", "factory/commands/controller/press", True),
    ("press", "factory/commands/+/press", True),
    ("press", "factory/commands/+/+", False),
    ("press", "factory/commands/#", False),
]


@pytest.mark.parametrize(("user", "pattern", "allowed"), READS)
@pytest.mark.parametrize("version", ["5", "3.1.1"])
@in_loop
async def test_a_subscription_is_refused_unless_all_of_it_is_allowed(
    version: str, user: str | None, pattern: str, allowed: bool
) -> None:
    """SUBACK has 0x87, for 3.1.1 0x80; mosquitto's acl_file would grant it and deliver nothing."""
    access = Passwords(dict.fromkeys(USERS, "pass"), anonymous=True)
    async with EmbeddedBroker(Listener(access=access, acl=Acl.parse(FILE))) as broker, dialled(broker.port) as client:
        login = {} if user is None else {"username": user, "password": b"pass"}
        if version == "5":
            client.send(ConnectPacket("x", **login), SubscribePacket(9, [TopicFilter(pattern)]))  # type: ignore[arg-type]
            await client._frame()
            assert [int(code) for code in (await client.receive(SubAckPacket)).reason_codes] == [1 if allowed else 0x87]
        else:
            client.send(connect_311("x", user), subscribe_311(pattern))
            await client._frame()
            assert await client._frame() == b"\x90\x03\0\x09" + bytes((1 if allowed else 0x80,))


def text(value: str) -> bytes:
    """A text with its length in front."""
    return len(value).to_bytes(2, "big") + value.encode()


def connect_311(client_id: str, user: str | None) -> bytes:
    """CONNECT of MQTT 3.1.1."""
    flags, login = (0x02, b"") if user is None else (0xC2, text(user) + text("pass"))
    body = text("MQTT") + bytes((4, flags, 0, 0)) + text(client_id) + login
    return bytes((0x10, len(body))) + body


def subscribe_311(pattern: str) -> bytes:
    """SUBSCRIBE of MQTT 3.1.1 at QoS 1."""
    body = b"\0\x09" + text(pattern) + b"\x01"
    return bytes((0x82, len(body))) + body


@in_loop
async def test_a_denied_topic_is_not_delivered_to_a_wider_subscription() -> None:
    """Neither live nor retained, nor by a share; and such a subscriber does not count as one."""
    async with (
        EmbeddedBroker(Listener(acl=Acl.parse(FILE))) as broker,
        connected(broker.port, "looker") as (client, _),
    ):
        broker.publish(message(1, "factory/admin/old", b"", retain=True))
        broker.publish(message(1, "factory/admin/old", b"x", retain=True))
        for pattern in ("factory/#", "$share/g/factory/#"):
            client.send(SubscribePacket(9, [TopicFilter(pattern)]))
            await client.receive(SubAckPacket)
        assert not broker.publish(message(2, "factory/admin/new"))
        assert broker.publish(message(3, "factory/alarms/a", b"seen"))
        assert [(await client.receive(PublishPacket)).payload for _ in range(2)] == [b"seen", b"seen"]
        assert await client.silent(0.1)


@in_loop
async def test_a_refused_publish_is_answered_0x87_and_not_routed() -> None:
    """QoS 1 is told; QoS 0 is dropped without an answer, and the connection goes on."""
    async with (
        EmbeddedBroker(Listener(acl=Acl.parse(FILE))) as broker,
        connected(broker.port, "intruder") as (client, _),
    ):
        recorder = broker.subscribe("#")
        client.send(message(None, "factory/commands/controller/press"), message(1, "factory/commands/controller/press"))
        assert int((await client.receive(PubAckPacket)).reason_code) == 0x87
        client.send(message(2, "private/intruder/mine", retain=True))
        assert int((await client.receive(PubAckPacket)).reason_code) == 0
        assert [one.topic for one in recorder.messages] == ["private/intruder/mine"]
        assert broker.counters.dropped["not authorized"] == 2


@in_loop
async def test_a_will_that_may_not_be_published_is_dropped(lines: Lines) -> None:
    """The client is connected all the same; the log names its will."""
    async with EmbeddedBroker(Listener(acl=Acl.parse(FILE))) as broker:
        recorder = broker.subscribe("#")
        for topic in ("factory/status/forged", "private/dies/here"):
            will = Will(topic, payload=b"w", qos=QoS.AT_LEAST_ONCE)
            async with connected(broker.port, "dies", will=will) as (_, connack):
                assert connack.reason_code == 0
            await until(lambda: not broker.connected, "its end")
        assert [one.topic for one in recorder.messages] == ["private/dies/here"]
        assert lines.count("will dropped by the acl client_id='dies' topic='factory/status/forged'") == 1


@in_loop
async def test_another_user_does_not_inherit_a_session() -> None:
    """Whoever takes a client id under another name starts with an empty session: its rights were not for them."""
    access = Passwords({"controller": "c", "press": "p"})
    keep: dict[str, Any] = {"session_expiry_interval": 60}
    async with EmbeddedBroker(Listener(access=access, acl=Acl.parse(FILE))) as broker:
        async with connected(broker.port, "id", username="controller", password=b"c", **keep) as (client, _):
            client.send(SubscribePacket(9, [TopicFilter("factory/alarms/#")]))
            await client.receive(SubAckPacket)
        await until(lambda: not broker.connected, "its end")
        assert broker.publish(message(1, "factory/alarms/secret"))
        async with connected(broker.port, "id", username="press", password=b"p", **keep) as (client, connack):
            assert not connack.session_present
            assert not broker.publish(message(2, "factory/alarms/secret"))
            assert await client.silent(0.1)


@in_loop
async def test_a_name_that_nobody_checked_gives_no_rights() -> None:
    """On an anonymous listener a user name is only a claim: the lines of that user are not for it."""
    async with (
        EmbeddedBroker(Listener(acl=Acl.parse(FILE))) as broker,
        connected(broker.port, "x", username="controller") as (client, _),
    ):
        client.send(message(1, "factory/commands/controller/press"))
        assert int((await client.receive(PubAckPacket)).reason_code) == 0x87


@in_loop
async def test_a_listener_of_client_ids_believes_whoever_claims_one() -> None:
    """What not to do: an intruder that calls itself controller is one."""
    async with EmbeddedBroker(Listener(access=ClientIds(), acl=Acl.parse(FILE))) as broker:
        for client_id, code in (("intruder", 0x87), ("controller", 0x10)):
            async with connected(broker.port, client_id) as (client, _):
                client.send(message(1, "factory/commands/controller/press"))
                assert int((await client.receive(PubAckPacket)).reason_code) == code


MISTAKES = {
    "topic read": "'topic' needs a topic filter",
    "topic": "'topic' needs a topic filter",
    "pattern write": "'pattern' needs a topic filter",
    "topic rw factory/#": "access is read, write, readwrite or deny, not 'rw'",
    "topic factory/notes of the shift": "access is read, write, readwrite or deny, not 'factory/notes'",
    "topic read fac#": "'fac#' is no topic filter: + and # are whole levels, # the last one",
    "user": "'user' needs a name",
    "users ann": "a line begins with topic, user or pattern, not with 'users'",
    "pattern read dev_%c/x": "%c and %u are whole levels, not parts of one as in 'dev_%c'",
}


@pytest.mark.parametrize(("line", "rule"), MISTAKES.items(), ids=MISTAKES)
def test_a_mistake_is_named_with_line_and_rule(line: str, rule: str, tmp_path: Path) -> None:
    """And with the file."""
    path = tmp_path / "acl"
    path.write_text(f"# first\ntopic read ok/#\n{line}\n")
    with pytest.raises(AclError) as error:
        Acl.read(path)
    assert str(error.value) == f"{path}:3: {rule}"


def test_all_mistakes_are_named_at_once() -> None:
    """A line each, in their order."""
    with pytest.raises(AclError) as error:
        Acl.parse("\n".join(MISTAKES))
    assert [line.partition(": ")[0] for line in str(error.value).splitlines()] == [
        f"acl:{number}" for number in range(1, len(MISTAKES) + 1)
    ]


LEVEL = st.sampled_from(["a", "b", "", "$s", "+"])
FILTER = st.builds(
    lambda levels, deep: [*levels, "#"] if deep else levels, st.lists(LEVEL, min_size=1, max_size=3), st.booleans()
)
TOPIC = st.lists(st.sampled_from(["a", "b", "", "$s"]), min_size=1, max_size=5)


@given(outer=FILTER, inner=FILTER, topics=st.lists(TOPIC, min_size=1, max_size=30))
@settings(max_examples=examples(500), deadline=None)
def test_a_covered_filter_matches_nothing_beyond(outer: list[str], inner: list[str], topics: list[list[str]]) -> None:
    """Whatever the inner filter matches, the one that covers it matches: a grant never goes too far."""
    if covers(outer, inner):
        assert [topic for topic in topics if matches(inner, topic) and not matches(outer, topic)] == []
