"""`bad-actor`: what brokers do about it, and what can be known of that."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from mqtt5 import PublishPacket, SubscribePacket

from sandbox.broker import EmbeddedBroker
from sandbox.faults import Rule, disconnect
from tests.cli.clients.conftest import At
from tests.cli.clients.scenes import Client, Ended, dynamic_security, needs_dynamic_security, run
from tests.conftest import StartMosquitto
from tests.support.brokers import plugin
from tests.support.brokers.mosquitto import PASSWORD, USERNAME
from tests.support.processes.ports import free_port

QUICK = ("bad-actor", "--seconds", "300ms")
PATIENT = ("bad-actor", "--seconds", "20s")
"""Where something comes, which ends the time."""
SEEN = ("bad-actor", "--seconds", "2s")
"""Where a witness receives, and the intruder does not, for which the time has to pass."""
PUBLISH, SUBSCRIBE = "intruder: publish to factory/commands/controller/press", "intruder: subscribe to factory/admin/#"
ACL = f"""\
topic read factory/telemetry/#
user {USERNAME}
topic readwrite factory/#
"""
"""Clients without a name may read telemetry; the witness may do everything."""


def verdicts(ended: Ended) -> list[str]:
    """The lines without their times."""
    return [line[11:] for line in ended.out.splitlines()]


@pytest.fixture
def guarded(start_mosquitto: StartMosquitto, tmp_path: Path) -> int:
    """The port of a mosquitto with an acl_file, at which clients may have no name."""
    return start_mosquitto(listeners=("plain",), options=rules(tmp_path, ACL)).ports["plain"]


def rules(folder: Path, acl: str) -> dict[str, object]:
    """The options of a mosquitto with an acl_file, which knows the user of the witness."""
    (folder / "acl").write_text(acl)
    (folder / "passwords").write_text(f"{USERNAME}:{PASSWORD}\n")
    subprocess.run([plugin.program("mosquitto_passwd"), "-U", str(folder / "passwords")], check=True)
    files = {"acl_file": folder / "acl", "password_file": folder / "passwords"}
    # With 0, mosquitto closes the connection of who publishes without permission (its issues 2579 and 3088).
    return {"max_queued_messages": 1000, **files}


@pytest.fixture
def witness(tmp_path: Path) -> list[str]:
    """The flags of a witness that may do everything."""
    (tmp_path / "secret").write_text(PASSWORD)
    name = ["--witness-client-id", "controller", "--witness-username", USERNAME]
    return [*name, "--witness-password-file", str(tmp_path / "secret")]


def test_a_broker_that_lets_it_ends_with_1(at: At) -> None:
    """Both attempts: the command is delivered, and so is a message to the subscription."""
    with Client(at.port, "sub", "--topic", "factory/commands/#", "--qos", "1", *at.flags) as press:
        press.says("subscribed")
        ended = run(at.port, *PATIENT, *at.flags)
        press.says('cli: factory/commands/controller/press qos=1 retain=0 {"command":"stop"}$')

    publish, subscribe = verdicts(ended)
    assert ended.code == 1
    assert publish.startswith(f"{PUBLISH}: allowed: PUBACK")
    assert subscribe.startswith(
        f"{SUBSCRIBE}: allowed: SUBACK 0x01 Granted QoS 1, and a message on factory/admin/probe"
    )


@needs_dynamic_security
@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_dynamic_security_refuses_subscriptions_in_words(
    start_mosquitto: StartMosquitto, tmp_path: Path, version: str
) -> None:
    """With the code of the version."""
    options = dynamic_security(tmp_path / "rules.json", {"anonymous": []})
    port = start_mosquitto(listeners=("plain",), options=options).ports["plain"]
    ended = run(port, *QUICK, "--mode", "sub", "--mqtt-version", version)

    code = {"5": "0x87 Not authorized (this client may not subscribe to this)", "3.1.1": "0x80 Failure"}[version]
    assert verdicts(ended) == [f"{SUBSCRIBE}: refused: SUBACK {code}"]
    assert ended.code == 0


@needs_dynamic_security
def test_with_mqtt_5_both_refusals_are_shown(start_mosquitto: StartMosquitto, tmp_path: Path) -> None:
    """PUBACK 0x87, SUBACK 0x87, and exit code 0."""
    options = dynamic_security(tmp_path / "rules.json", {"anonymous": []})
    port = start_mosquitto(listeners=("plain",), options=options).ports["plain"]
    ended = run(port, *QUICK)

    assert verdicts(ended) == [
        f"{PUBLISH}: refused: PUBACK 0x87 Not authorized (this client may not publish to this topic)",
        f"{SUBSCRIBE}: refused: SUBACK 0x87 Not authorized (this client may not subscribe to this)",
    ]
    assert ended.code == 0


def test_the_embedded_broker_can_refuse_both(embedded: EmbeddedBroker) -> None:
    """The same lines as at mosquitto."""
    embedded.faults.puback(0x87, times=None)
    embedded.faults.suback(0x87, times=None)
    ended = run(embedded.port, *QUICK)

    assert [line.partition(" 0x87 ")[0] for line in verdicts(ended)] == [
        f"{PUBLISH}: refused: PUBACK",
        f"{SUBSCRIBE}: refused: SUBACK",
    ]
    assert ended.code == 0


def test_a_connection_that_is_closed_because_of_it_is_a_refusal(embedded: EmbeddedBroker) -> None:
    """A broker may also disconnect (MQTT 5, 3.14.2.1)."""
    embedded.faults.add(Rule(on=PublishPacket, actions=(disconnect(0x87),), times=None))
    embedded.faults.add(Rule(on=SubscribePacket, actions=(disconnect(0x87),), times=None))
    ended = run(embedded.port, *QUICK)

    assert ended.code == 0
    assert all("refused: 127.0.0.1" in line and "DISCONNECT 0x87 Not authorized" in line for line in verdicts(ended))


def test_an_acl_file_of_mosquitto_refuses_to_publish_and_whether_it_withholds_cannot_be_seen_alone(
    guarded: int,
) -> None:
    """It grants every subscription (mosquitto issue 2042): exit code 3, and what would show it."""
    publish, subscribe = verdicts(ended := run(guarded, *QUICK))

    assert publish.startswith(f"{PUBLISH}: refused: PUBACK 0x87 Not authorized")
    assert subscribe.startswith(f"{SUBSCRIBE}: undecided: SUBACK 0x01 Granted QoS 1, and nothing was delivered")
    assert "--witness-client-id" in subscribe
    assert ended.code == 3


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_a_witness_shows_that_messages_are_withheld(guarded: int, witness: list[str], version: str) -> None:
    """It publishes and receives where the intruder has subscribed, which gets nothing."""
    publish, subscribe = verdicts(ended := run(guarded, *SEEN, *witness, "--mqtt-version", version))

    assert publish.startswith(f"{PUBLISH}: refused: PUBACK")
    assert subscribe == (
        f"{SUBSCRIBE}: withheld: SUBACK 0x01 Granted QoS 1, "
        "but what controller publishes and receives there was not delivered"
    )
    assert ended.code == 0


def test_puback_of_3_1_1_proves_nothing_without_a_witness(guarded: int) -> None:
    """The broker acknowledges what it drops (MQTT 3.1.1, 3.3.5)."""
    (publish,) = verdicts(ended := run(guarded, *QUICK, "--mode", "pub", "--mqtt-version", "3.1.1"))

    assert publish.startswith(f"{PUBLISH}: undecided: PUBACK, which has no reason code in MQTT 3.1.1")
    assert "use --mqtt-version 5; or --witness-client-id" in publish
    assert ended.code == 3


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_a_mosquitto_that_closes_the_connection_refuses_too(
    start_mosquitto: StartMosquitto, tmp_path: Path, version: str
) -> None:
    """Right after its PUBACK, where it has max_queued_messages 0."""
    options = {**rules(tmp_path, ACL), "max_queued_messages": 0}
    port = start_mosquitto(listeners=("plain",), options=options).ports["plain"]
    publish, subscribe = verdicts(ended := run(port, *QUICK, "--mqtt-version", version))

    assert publish.startswith(f"{PUBLISH}: refused: PUBACK")
    assert subscribe.startswith(f"{SUBSCRIBE}: undecided: SUBACK 0x01 Granted QoS 1")
    assert ended.code == 3


def test_a_witness_shows_what_3_1_1_does_not(guarded: int, witness: list[str]) -> None:
    """Its own message comes to it, that of the intruder does not."""
    (publish,) = verdicts(ended := run(guarded, *SEEN, "--mode", "pub", "--mqtt-version", "3.1.1", *witness))

    assert publish == (
        f"{PUBLISH}: refused: PUBACK, "
        "but it was not delivered to controller, which receives what it publishes there itself"
    )
    assert ended.code == 0


def test_a_witness_that_may_not_see_either_is_no_witness(guarded: int) -> None:
    """It is as anonymous as the intruder."""
    ended = run(guarded, *QUICK, "--witness-client-id", "other", "--mqtt-version", "3.1.1")

    assert [line.split(": ")[2] for line in verdicts(ended)] == ["undecided", "undecided"]
    assert ended.code == 3


def test_an_open_subscription_is_found_by_a_witness_where_the_intruder_may_only_read(
    start_mosquitto: StartMosquitto, tmp_path: Path, witness: list[str]
) -> None:
    """The hole that the intruder alone does not find: it may read, and not publish."""
    options = rules(tmp_path, ACL.replace("factory/telemetry/#", "factory/#"))
    port = start_mosquitto(listeners=("plain",), options=options).ports["plain"]
    alone, seen = run(port, *QUICK, "--mode", "sub"), run(port, *PATIENT, "--mode", "sub", *witness)

    assert (alone.code, seen.code) == (3, 1)
    assert "and a message on factory/admin/probe was delivered" in seen.out


def test_a_connection_that_is_closed_because_of_the_probe_is_no_verdict(embedded: EmbeddedBroker) -> None:
    """The subscription was granted, and nothing more is known."""
    embedded.faults.add(Rule(on=PublishPacket, actions=(disconnect(0x87),), times=None))
    ended = run(embedded.port, *QUICK, "--mode", "sub")

    assert [line.split(": ")[2] for line in verdicts(ended)] == ["undecided"]
    assert ended.code == 3


def test_results_are_lines_of_json_where_wanted(at: At) -> None:
    """With the attempt, the verdict, and how it is known."""
    ended = run(at.port, *PATIENT, "--json", *at.flags)

    found = [json.loads(line) for line in ended.out.splitlines()]
    assert [each["verdict"] for each in found] == ["allowed", "allowed"]
    assert [each["client"] for each in found] == ["intruder", "intruder"]


def test_without_a_broker_nothing_is_proved() -> None:
    """One sentence, and exit code 1."""
    ended = run(free_port(), *QUICK)

    assert (ended.code, ended.out, ended.err.count("\n")) == (1, "", 1)


def test_a_broker_that_ends_in_between_has_refused_nothing(embedded: EmbeddedBroker) -> None:
    """It cannot be reached again after the attempt, which is no verdict."""
    embedded.faults.add(Rule(on=PublishPacket, actions=(disconnect(0x8B),)))
    embedded.faults.refuse(0x88, nth=2, times=None)
    ended = run(embedded.port, *QUICK, "--mode", "pub")

    assert (ended.code, ended.out) == (1, "")
    assert "CONNACK 0x88 Server unavailable" in ended.err


@pytest.mark.parametrize(
    ("flags", "rule"),
    [
        (["--witness-username", "me"], "--witness-client-id: must be set with a witness's user name or password"),
        (["--witness-client-id", "intruder"], "--witness-client-id: must be another one than --client-id"),
        (["--witness-client-id", "w", "--witness-password-file", "/nowhere"], "--witness-password-file: cannot read"),
    ],
)
def test_half_a_witness_is_wrong_usage(flags: list[str], rule: str) -> None:
    """With the flag and the rule."""
    ended = run(free_port(), *QUICK, *flags)

    assert ended.code == 2
    assert rule in ended.err
