"""`pub`: what is published, what the broker answers, and what the exit code means."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from mqtt5 import ConnectPacket, PingReqPacket, PublishPacket

from cli.clients import publish
from cli.clients.publish import lines_of
from cli.clients.session import Answer
from edge.mqtt.protocol.reason_codes import Packet
from edge.redaction import protect
from sandbox.access import Passwords
from sandbox.broker import EmbeddedBroker, Listener
from sandbox.faults import Rule, cut, disconnect
from tests.cli.clients.conftest import At
from tests.cli.clients.scenes import Ended, run
from tests.conftest import StartMosquitto
from tests.support.brokers.subscriber import Recorder
from tests.support.processes.daemon import running
from tests.support.processes.ports import free_port
from tests.support.processes.waiting import wait_until

PASSWORD = "a staple of horses"


def pub(port: int, *arguments: str, **more: object) -> Ended:
    """Publish to topic `a/b`."""
    return run(port, "pub", "--topic", "a/b", *arguments, **more)  # type: ignore[arg-type]


def test_a_message_arrives_as_it_was_given(at: At) -> None:
    """Its bytes, its QoS, and that it was live."""
    with Recorder(at.port, topics=["a/#"]) as recorder:
        assert pub(at.port, "--message", '{"ü": 1}', "--qos", "1", *at.flags).code == 0
        (record,) = recorder.wait_for(1)

    assert (record.topic, record.payload, record.qos, record.retain) == ("a/b", '{"ü": 1}'.encode(), 1, False)


def test_a_retained_message_is_there_for_a_later_subscriber_until_an_empty_one_deletes_it(at: At) -> None:
    """As MQTT has it (MQTT 5, 3.3.1.3)."""
    pub(at.port, "--message", "kept", "--retain", "--qos", "1", *at.flags)
    with Recorder(at.port, topics=["a/#"]) as recorder:
        assert recorder.wait_for(1)[0].retain
    pub(at.port, "--message", "", "--retain", "--qos", "1", *at.flags)
    with Recorder(at.port, topics=["#"]) as recorder:
        pub(at.port, "--message", "live", *at.flags)

        assert [each.payload for each in recorder.wait_for(1)] == [b"live"]


def test_the_answer_of_the_broker_is_printed_in_words(mosquitto_port: int) -> None:
    """The reason code of PUBACK with its name; MQTT 3.1.1 has none, and that is printed."""
    alone = pub(mosquitto_port, "--message", "x", "--qos", "1")
    old = pub(mosquitto_port, "--message", "x", "--qos", "1", "--mqtt-version", "3.1.1")

    assert "published to a/b qos=1: PUBACK 0x10 No matching subscribers (nobody receives it)" in alone.out
    assert "published to a/b qos=1: PUBACK, which has no reason code in MQTT 3.1.1" in old.out
    assert (alone.code, alone.err, old.code, old.err) == (0, "", 0, "")


def test_a_refusal_is_printed_with_its_code_and_ends_with_1(start_mosquitto: StartMosquitto, tmp_path: Path) -> None:
    """By an ACL of mosquitto."""
    (tmp_path / "acl").write_text("topic read #\n")
    broker = start_mosquitto(listeners=("plain",), options={"acl_file": tmp_path / "acl"})
    ended = pub(broker.ports["plain"], "--message", "x", "--qos", "1")

    assert ended.code == 1
    assert ended.out == ""
    assert "refused the message to a/b: PUBACK 0x87 Not authorized (this client may not publish" in ended.err


def test_without_a_broker_there_is_one_sentence_and_exit_code_1() -> None:
    """With the address, and what to do."""
    port = free_port()
    ended = pub(port, "--message", "x")

    assert (ended.code, ended.out) == (1, "")
    assert ended.err.count("\n") == 1
    assert f"cannot connect to 127.0.0.1:{port}: nothing listens there; is the broker running?" in ended.err


def test_a_broker_that_is_none_is_called_so() -> None:
    """Something listens, and closes the connection."""
    broker = EmbeddedBroker()
    broker.faults.add(Rule(on=ConnectPacket, actions=(cut,)))
    with running(broker):
        ended = pub(broker.port, "--message", "x")

    assert ended.code == 1
    assert "has not answered CONNECT as a broker does: does it speak MQTT?" in ended.err


def test_the_password_comes_from_a_file_or_a_variable_and_is_never_printed(tmp_path: Path) -> None:
    """A wrong one is refused in words; the right one gets in."""
    file = tmp_path / "password"
    user = ("--username", "me")
    with running(EmbeddedBroker(Listener(access=Passwords({"me": PASSWORD})))) as broker:
        file.write_text("wrong horse")
        wrong = pub(broker.port, "--message", "x", *user, "--password-file", str(file))
        file.write_text(f"{PASSWORD}\n")
        right = pub(broker.port, "--message", "x", *user, "--password-file", str(file))
        by_variable = pub(broker.port, "--message", "x", *user, environ={"MQTT_PASSWORD": PASSWORD})

    assert (wrong.code, right.code, by_variable.code) == (1, 0, 0)
    assert "CONNACK 0x86 Bad user name or password (the broker does not accept this login" in wrong.err
    assert "horse" not in wrong.err + right.err + right.out + by_variable.err


def test_what_a_broker_repeats_of_the_password_is_not_printed() -> None:
    """In the reason string of its CONNACK."""
    protect(PASSWORD.encode())

    assert PASSWORD not in str(Answer(Packet.CONNACK, 0x86, "5", f"not {PASSWORD}"))


def test_each_line_of_standard_input_is_a_message(at: At) -> None:
    """Also the last one without a line break."""
    read, write = os.pipe()
    os.write(write, b"first\nsecond\r\n\nlast")
    os.close(write)
    with Recorder(at.port, topics=["a/#"]) as recorder:
        assert pub(at.port, "--message", "-", "--qos", "1", *at.flags, standard_input=read).code == 0
        records = recorder.wait_for(4)
    os.close(read)

    assert [each.payload for each in records] == [b"first", b"second", b"", b"last"]


def test_the_connection_is_kept_alive_while_standard_input_is_silent(embedded: EmbeddedBroker) -> None:
    """Pings go out between two lines that are further apart than the keep-alive."""
    pings = embedded.faults.add(Rule(on=PingReqPacket, actions=(), times=None))
    read, write = os.pipe()
    ended: list[Ended] = []
    arguments = ("--message", "-", "--qos", "1", "--keep-alive", "1")
    thread = threading.Thread(target=lambda: ended.append(pub(embedded.port, *arguments, standard_input=read)))
    thread.start()
    os.write(write, b"first\n")
    wait_until(lambda: pings.seen >= 3, 40.0, "three pings")
    os.write(write, b"second\n")
    os.close(write)
    thread.join()
    os.close(read)

    assert ended[0].code == 0
    assert ended[0].out.count("published") == 2


def test_lines_come_as_they_are_written() -> None:
    """A line that comes in two pieces is one line; nothing waits for the end of the input."""
    read, write = os.pipe()
    lines = lines_of(read, lambda: None)
    os.write(write, b"on")
    os.write(write, b"e\ntwo\n")

    assert [next(lines), next(lines)] == [b"one", b"two"]
    os.close(write)
    assert [*lines] == []
    os.close(read)


def test_json_that_is_none_is_refused_before_anything_is_sent() -> None:
    """With exit code 2 and the place; no broker is needed for that."""
    ended = pub(free_port(), "--json", "--message", '{"command": stop}')

    assert ended.code == 2
    assert ended.err.startswith("--message: must be JSON, because of --json: Expecting value: line 1 column 13")


def test_a_line_that_is_no_json_is_named_by_its_number(embedded: EmbeddedBroker) -> None:
    """The lines before it are published."""
    read, write = os.pipe()
    os.write(write, b"1\n{\n")
    os.close(write)
    ended = pub(embedded.port, "--json", "--message", "-", standard_input=read)
    os.close(read)

    assert (ended.code, ended.out.count("published")) == (2, 1)
    assert ended.err.startswith("line 2: must be JSON")


def test_a_line_that_fits_no_packet_is_named(monkeypatch: pytest.MonkeyPatch, embedded: EmbeddedBroker) -> None:
    """The longest packet has 256 MiB; here it is made shorter."""
    monkeypatch.setattr(publish, "_MOST_BYTES", 4)
    read, write = os.pipe()
    os.write(write, b"1234\n12345\n")
    os.close(write)
    ended = pub(embedded.port, "--message", "-", standard_input=read)
    os.close(read)

    assert (ended.code, ended.out.count("published")) == (2, 1)
    assert ended.err == "line 2: must have at most 4 bytes, got 5\n"


def test_a_message_is_repeated_as_often_as_wanted(at: At) -> None:
    """With the interval between."""
    with Recorder(at.port, topics=["a/#"]) as recorder:
        assert pub(at.port, "--message", "x", "--repeat", "5", "--interval", "20ms", *at.flags).code == 0

        assert len(recorder.wait_for(5)) == 5


def test_repeat_does_not_go_with_standard_input() -> None:
    """A line would have to be kept to be published again."""
    ended = pub(free_port(), "--message", "-", "--repeat", "2")

    assert (ended.code, ended.err) == (2, "--repeat: does not go with --message -, which publishes each line once\n")


def test_a_broker_that_ends_the_connection_is_quoted_in_words(embedded: EmbeddedBroker) -> None:
    """DISCONNECT with a reason code, in place of PUBACK."""
    embedded.faults.add(Rule(on=PublishPacket, actions=(disconnect(0x97),)))
    ended = pub(embedded.port, "--message", "x", "--qos", "1")

    assert ended.code == 1
    assert "ended the connection: DISCONNECT 0x97 Quota exceeded" in ended.err


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        (["--topic", "a/+", "--message", "x"], "--topic: must not contain the wildcards"),
        (["--topic", "", "--message", "x"], "--topic: must not be empty"),
        (["--topic", "a", "--message", "x", "--qos", "2"], "must be 0 or 1 (QoS 2 is supported neither here"),
        (["--topic", "a", "--message", "x", "-P", "horse"], "others can see the command line"),
        (["--topic", "a", "--message", "x", "--password", "horse"], "--password (did you mean --mqtt-password-file?)"),
        (["--topic", "a", "--message", "x", "--port", "70000"], "--port: must be a whole number from 1 to 65,535"),
        (["--topic", "a", "--message", "x", "--client-id", ""], "--client-id: must not be empty"),
        (["--topic", "a"], "the following arguments are required: --message"),
    ],
)
def test_wrong_usage_ends_with_2_and_the_rule(
    arguments: list[str], rule: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Never with a password."""
    with pytest.raises(SystemExit) as ended:
        run(1, "pub", *arguments)
    printed = capsys.readouterr().err

    assert ended.value.code == 2
    assert rule in printed
    assert "horse" not in printed
