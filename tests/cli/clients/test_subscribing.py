"""`sub` and `observe`: what is printed, what is left out, and how they stay connected."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from mqtt5 import PingReqPacket

from cli.clients.printer import is_coloured
from cli.clients.rates import MOST_SHOWN, Rates
from sandbox.broker import EmbeddedBroker, Listener
from tests.cli.clients.conftest import At
from tests.cli.clients.scenes import (
    PATIENCE_SECONDS,
    Client,
    dynamic_security,
    ended_once,
    needs_dynamic_security,
    run,
)
from tests.conftest import StartMosquitto
from tests.support.brokers.mosquitto import PASSWORD, USERNAME
from tests.support.processes.daemon import DaemonProcess, running
from tests.support.processes.ports import free_port
from tests.support.processes.waiting import wait_until

leaks = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
"""paho leaves the socket of a handshake that fails to the garbage collector."""
ALL = ("sub", "--topic", "#")


def publish(port: int, message: str, *arguments: str, topic: str = "a/b") -> None:
    """Publish at QoS 1."""
    assert run(port, "pub", "--topic", topic, "--message", message, "--qos", "1", *arguments).code == 0


def lines(client: Client) -> list[str]:
    """What it has printed, without times."""
    return [re.sub(r"^\[\d\d:\d\d:\d\d\] ", "", line) for line in client.out.getvalue().splitlines()]


def test_a_message_is_a_line_with_time_topic_qos_retain_and_payload(at: At) -> None:
    """`[HH:MM:SS] cli: TOPIC qos=Q retain=R PAYLOAD`."""
    publish(at.port, "old", "--retain", *at.flags)
    with Client(at.port, *ALL, "--qos", "1", "--count", "2", *at.flags) as client:
        client.says("retain=1")
        publish(at.port, '{"v": 1}', *at.flags)
        ended = client.ends()

    assert ended.code == 0
    assert re.fullmatch(
        r'\[\d\d:\d\d:\d\d\] cli: a/b qos=1 retain=1 old\n\[\d\d:\d\d:\d\d\] cli: a/b qos=1 retain=0 {"v": 1}\n',
        ended.out,
    )


def test_a_persistent_session_gets_what_was_published_at_qos_1_while_it_was_away(at: At) -> None:
    """And not what was published at QoS 0, though mosquitto might keep that too (MQTT 5, 4.4)."""
    session = (*ALL, "--qos", "1", "--session", "persistent", *at.flags)
    with Client(at.port, *session) as before:
        before.says(r"cli: connected \(session_present=false\)")
        before.says("subscribed")
    run(at.port, "pub", "--topic", "a/b", "--message", "lost", *at.flags)
    publish(at.port, "kept", *at.flags)
    with Client(at.port, *session) as after:
        after.says(r"cli: connected \(session_present=true\)")
        after.says("kept")

        assert lines(after) == ["cli: a/b qos=1 retain=0 kept"]


def test_what_the_broker_grants_is_noted_in_words(at: At) -> None:
    """On standard error, so that standard output has messages alone."""
    with Client(at.port, *ALL, *at.flags) as client:
        client.says("cli: subscribed to #: SUBACK 0x00 Granted QoS 0")

        assert client.out.getvalue() == ""


def test_observe_receives_all_below_the_prefix_at_qos_1(mosquitto_port: int) -> None:
    """Which may be given by the variable of the reference sandbox."""
    with Client(mosquitto_port, "observe", environ={"VF_BASE_TOPIC": "plant"}) as client:
        client.says(r"observer: subscribed to plant/#: SUBACK 0x01 Granted QoS 1")
        publish(mosquitto_port, "other", topic="factory/a")
        publish(mosquitto_port, "own", topic="plant/a")
        client.says("own")

        assert lines(client) == ["observer: plant/a qos=1 retain=0 own"]


def test_a_payload_has_no_control_characters_for_the_terminal(mosquitto_port: int) -> None:
    """Nor has a topic: those are escaped, as are bytes that are no text, and line breaks."""
    with Client(mosquitto_port, *ALL) as client:
        client.says("subscribed")
        publish(mosquitto_port, "\x1b[2J\x07\n\x9b\u202eü", topic="a/b")
        client.says("a/b")

        assert lines(client) == ["cli: a/b qos=0 retain=0 \\x1b[2J\\x07\\n\\x9b\\u202eü"]


def test_bytes_that_are_no_text_are_escaped_or_in_base64(mosquitto_port: int, tmp_path: Path) -> None:
    """In JSON a payload that is no UTF-8 has a key of its own."""
    payload = b"\xff\x00A"
    with Client(mosquitto_port, *ALL) as plain, Client(mosquitto_port, *ALL, "--json", "--client-id", "2") as as_json:
        plain.says("subscribed")
        as_json.says("subscribed")
        publish(mosquitto_port, payload.decode(errors="surrogateescape"))
        plain.says("a/b")
        as_json.says("a/b")

        assert lines(plain) == ["cli: a/b qos=0 retain=0 \\xff\\x00A"]
        assert json.loads(as_json.out.getvalue())["payload_base64"] == "/wBB"


def test_a_json_line_has_all_of_a_message(at: At) -> None:
    """In ASCII: terminals also know control characters beyond it."""
    with Client(at.port, *ALL, "--qos", "1", "--json", "--count", "1", *at.flags) as client:
        client.says("subscribed")
        publish(at.port, "\x9bü", *at.flags)
        out = client.ends().out

    found = json.loads(out)
    assert found.pop("ts").endswith("Z")
    expected = {"client": "cli", "topic": "a/b", "qos": 1, "retain": False, "dup": False, "payload": "\x9bü"}
    assert found == expected
    assert out.isascii()


@pytest.mark.parametrize(
    ("flags", "shown"),
    [
        (["--contains", "needle"], ["kept needle", "live needle"]),
        (["--contains", "c/d"], ["elsewhere"]),
        (["--retained"], ["kept needle"]),
        (["--live"], ["live needle", "elsewhere", "last"]),
        (["--only-qos", "0"], ["last"]),
        (["--live", "--contains", "needle"], ["live needle"]),
    ],
    ids=lambda each: " ".join(each) if each[0][:2] == "--" else "",
)
def test_filters_leave_out_other_messages(mosquitto_port: int, flags: Sequence[str], shown: list[str]) -> None:
    """By text in topic or payload, by retain, by QoS."""
    publish(mosquitto_port, "kept needle", "--retain")
    with (
        Client(mosquitto_port, *ALL, "--qos", "1", "--client-id", "all") as everything,
        Client(mosquitto_port, *ALL, "--qos", "1", *flags) as client,
    ):
        everything.says("kept")
        client.says("subscribed")
        publish(mosquitto_port, "live needle")
        publish(mosquitto_port, "elsewhere", topic="c/d")
        run(mosquitto_port, "pub", "--topic", "a", "--message", "last")
        everything.says("last")
        wait_until(lambda: len(lines(client)) == len(shown), PATIENCE_SECONDS, "as many lines")

        assert [line.partition(" retain=")[2][2:] for line in lines(client)] == shown


def test_fewer_messages_than_wanted_are_a_failure(mosquitto_port: int) -> None:
    """As in a script that waits for one."""
    assert ended_once("subscribed", mosquitto_port, *ALL, "--count", "1").code == 1
    assert ended_once("subscribed", mosquitto_port, *ALL).code == 0


def test_without_a_broker_it_waits_for_one_and_says_so() -> None:
    """And receives as soon as there is one."""
    broker = EmbeddedBroker(Listener(port=free_port()))
    port = broker.ports[0]
    with Client(port, *ALL) as client:
        client.says("cannot connect to 127.0.0.1:.*nothing listens there.*trying again in 1 s")
        with running(broker):
            client.says("subscribed")
            publish(port, "there")
            client.says("there")


def test_no_broker_in_the_whole_time_is_a_failure() -> None:
    """Though the time was over as wanted."""
    assert run(free_port(), *ALL, "--seconds", "100ms").code == 1


def test_a_lost_connection_is_opened_again(embedded: EmbeddedBroker) -> None:
    """With its subscription; the loss is noted."""
    embedded.faults.cut(on=PingReqPacket, taken=False, client="cli-sub")
    with Client(embedded.port, *ALL, "--keep-alive", "1") as client:
        client.says("closed the connection without DISCONNECT; .*; trying again in 1 s")
        client.says(r"(?s)subscribed.*subscribed")
        publish(embedded.port, "after")
        client.says("after")

    assert client.code == 0


def test_a_restarted_broker_is_found_again(start_mosquitto: StartMosquitto) -> None:
    """MQTT 3.1.1, which has no DISCONNECT from the broker."""
    broker = start_mosquitto(listeners=("plain",))
    with Client(broker.ports["plain"], *ALL, "--mqtt-version", "3.1.1") as client:
        client.says("subscribed")
        broker.restart()
        client.says("trying again")
        client.says(r"(?s)subscribed.*subscribed")
        publish(broker.ports["plain"], "after")
        client.says("after")


@needs_dynamic_security
@pytest.mark.parametrize(
    ("version", "code"),
    [("5", "0x87 Not authorized (this client may not subscribe to this)"), ("3.1.1", "0x80 Failure")],
)
def test_a_refused_subscription_ends_with_1(
    start_mosquitto: StartMosquitto, tmp_path: Path, version: str, code: str
) -> None:
    """With the code that the version has."""
    options = dynamic_security(tmp_path / "rules.json", {"anonymous": []})
    broker = start_mosquitto(listeners=("plain",), options=options)
    ended = run(broker.ports["plain"], *ALL, "--mqtt-version", version)

    assert ended.code == 1
    assert f"the broker refused the subscription to #: SUBACK {code}" in ended.err


def test_a_second_client_with_the_same_id_ends_the_first(embedded: EmbeddedBroker) -> None:
    """Which does not reconnect: the two would end each other for ever."""
    with Client(embedded.port, *ALL) as first:
        first.says("subscribed")
        with Client(embedded.port, *ALL) as second:
            second.says("subscribed")
            ended = first.ends()

    assert ended.code == 1
    assert "DISCONNECT 0x8E Session taken over (another client has connected with the same client id)" in ended.err


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_a_broker_that_does_not_name_the_second_client_is_answered_with_a_question(
    mosquitto_port: int, version: str
) -> None:
    """mosquitto 2.0 closes the connection, and that is all."""
    with Client(mosquitto_port, *ALL, "--mqtt-version", version) as first:
        first.says("subscribed")
        with Client(mosquitto_port, *ALL, "--mqtt-version", version):
            first.says(r"without DISCONNECT; is another client connected with the client id cli-sub\?; trying again")


def test_another_version_than_the_brokers_is_refused_in_words() -> None:
    """MQTT 3.1.1 is not tried as MQTT 3.1 in its place."""
    with Answering(b"\x20\x02\x00\x01") as port:
        ended = run(port, *ALL, "--mqtt-version", "3.1.1")

    assert ended.code == 1
    assert "CONNACK return code 1 Unsupported protocol version (the broker does not take this version" in ended.err


@pytest.mark.parametrize("version", ["5", "3.1.1"])
@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x20\x01\x00", b"\xf0\x00", b"\x00" * 9])
def test_what_is_no_mqtt_is_called_so(answer: bytes, version: str) -> None:
    """And is no refusal of the broker."""
    with Answering(answer) as port:
        ended = ended_once(r"does it speak MQTT\?", port, *ALL, "--mqtt-version", version)

    assert ended.code == 1


class Answering:
    """A server that answers its first client with these bytes, and closes the connection."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    def __enter__(self) -> int:
        self._server = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return int(self._server.getsockname()[1])

    def __exit__(self, *_: object) -> None:
        self._thread.join()
        self._server.close()

    def _serve(self) -> None:
        connection, _ = self._server.accept()
        with connection:
            connection.recv(1024)
            connection.sendall(self._answer)


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_it_works_over_websocket(start_mosquitto: StartMosquitto, version: str) -> None:
    """In both directions."""
    port = start_mosquitto(listeners=("plain", "websocket")).ports["websocket"]
    with Client(port, *ALL, "--websocket", "--mqtt-version", version, "--count", "1") as client:
        client.says("subscribed")
        publish(port, "x" * 70_000, "--websocket")

        assert len(client.ends().out) > 70_000


@leaks
def test_a_port_without_websocket_is_called_so(mosquitto_port: int) -> None:
    """The broker closes the connection."""
    ended = ended_once("it does not accept WebSocket at the path /mqtt", mosquitto_port, *ALL, "--websocket")

    assert ended.code == 1


@leaks
def test_it_works_over_tls_with_a_password_or_a_certificate(start_mosquitto: StartMosquitto, tmp_path: Path) -> None:
    """And not with an authority that the broker's certificate is not from."""
    broker = start_mosquitto(listeners=("password", "x509"))
    held = broker.credentials
    (tmp_path / "password").write_text(PASSWORD)
    user = ["--username", USERNAME, "--password-file", str(tmp_path / "password")]
    certificate = ["--cert-file", str(held.client_cert_file), "--key-file", str(held.client_key_file)]
    trust = ["--host", "localhost", "--ca-file", str(held.ca_file)]
    by_password = ended_once("subscribed", broker.ports["password"], *ALL, *trust, *user)
    by_certificate = ended_once("subscribed", broker.ports["x509"], *ALL, *trust, *certificate)
    distrusted = ended_once("certificate not trusted: ", broker.ports["password"], *ALL, "--tls", *user)

    assert (by_password.code, by_certificate.code, distrusted.code) == (0, 0, 1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_0_and_without_a_traceback(embedded: EmbeddedBroker, number: signal.Signals) -> None:
    """And with DISCONNECT."""
    with DaemonProcess("sub", "--topic", "#", environ={"MQTT_PORT": str(embedded.port)}) as process:
        process.says("subscribed")
        process.signal(number)
        code = process.wait()

    assert code == 0
    assert "Traceback" not in process.log
    wait_until(lambda: embedded.connected == [], PATIENCE_SECONDS, "the broker sees it go")


def test_a_reader_that_is_gone_is_no_traceback(embedded: EmbeddedBroker) -> None:
    """As after `| head -n 1`: the exit code is that of a program that SIGPIPE ends."""
    read, write = os.pipe()
    with DaemonProcess("sub", "--topic", "#", environ={"MQTT_PORT": str(embedded.port)}, stdout=write) as process:
        os.close(write)
        process.says("subscribed")
        os.close(read)
        publish(embedded.port, "x")

        assert process.wait() == 128 + signal.SIGPIPE
    assert "Traceback" not in process.log


def test_rates_are_messages_a_second_of_each_topic_the_busiest_first() -> None:
    """Counted between two reports, however far these are apart; a silent topic is left out."""
    rates = Rates(0.0)
    for topic in ("a", "b", "b", "b"):
        rates.count(topic)

    assert rates.report(0.9) is None
    assert rates.report(2.0) == (2.0, {"b": 1.5, "a": 0.5}, 0)
    assert rates.report(3.0) == (0.0, {}, 0)


def test_of_many_topics_the_busiest_are_shown() -> None:
    """And how many more there are."""
    rates = Rates(0.0)
    for number in range(MOST_SHOWN + 5):
        rates.count(f"{number:03}")
    report = rates.report(1.0)

    assert report is not None
    assert (len(report.per_second), report.others, report.total) == (MOST_SHOWN, 5, MOST_SHOWN + 5)


def test_rates_are_printed_in_place_of_messages(mosquitto_port: int) -> None:
    """As text or as JSON."""
    with (
        Client(mosquitto_port, *ALL, "--rate") as text,
        Client(mosquitto_port, *ALL, "--rate", "--json", "--client-id", "2") as as_json,
    ):
        text.says("subscribed")
        as_json.says("subscribed")
        publish(mosquitto_port, "secret", topic="a/b")
        text.says(r"cli: +[01]\.\d msg/s a/b$")
        text.says(r"cli: +[01]\.\d msg/s in all$")
        as_json.says(r'"topic":"a/b","messages_per_second":[01]\.\d')

        assert "secret" not in text.text + as_json.text


def test_colour_is_for_terminals_that_want_it(tmp_path: Path) -> None:
    """Not for files, nor with NO_COLOR (no-color.org) or TERM=dumb."""
    master, slave = os.openpty()
    with os.fdopen(slave, "w") as terminal, (tmp_path / "file").open("w") as file:
        assert is_coloured(terminal, {"TERM": "xterm"})
        assert not is_coloured(terminal, {"TERM": "xterm", "NO_COLOR": "1"})
        assert not is_coloured(terminal, {"TERM": "dumb"})
        assert not is_coloured(file, {"TERM": "xterm"})
    os.close(master)


@pytest.mark.parametrize(
    ("environ", "rule"),
    [
        ({"MQTT_PORT": "many"}, "MQTT_PORT: must be a whole number from 1 to 65,535, not 'many'"),
        ({"MQTT_VERSION": "4"}, "MQTT_VERSION: must be 5 or 3.1.1, not '4'"),
        ({"MQTT_TOPIC_PREFIX": "a//b"}, "MQTT_TOPIC_PREFIX: must not have an empty level"),
        ({"VF_KEEPALIVE": "-1"}, "VF_KEEPALIVE: must be a whole number from 0 to 65,535"),
        ({"MQTT_TLS": "perhaps"}, "MQTT_TLS: must be true or false"),
        ({"MQTT_PASSWORD": "horse"}, "--username: must be set with a password"),
        ({"MQTT_PASSWORD_FILE": "/nowhere", "MQTT_USERNAME": "me"}, "MQTT_PASSWORD_FILE: cannot read /nowhere"),
        ({"MQTT_USERNAME": "\udcff"}, "MQTT_USERNAME: must be UTF-8"),
        ({"MQTT_USERNAME": "me", "MQTT_PASSWORD": "horse\udcff"}, "MQTT_PASSWORD: must be UTF-8"),
        ({"MQTT_CA_FILE": "/nowhere"}, "--ca-file, MQTT_CA_FILE: cannot read /nowhere"),
        ({"MQTT_CA_FILE": __file__}, "is not PEM"),
    ],
)
def test_a_wrong_variable_is_named_with_the_rule(environ: dict[str, str], rule: str) -> None:
    """And ends with 2, before a connection is opened."""
    ended = run(free_port(), *ALL, environ=environ)

    assert ended.code == 2
    assert rule in ended.err
    assert "horse" not in ended.err


def test_flags_come_before_variables_and_those_of_mqtt_before_the_reference_sandboxs(mosquitto_port: int) -> None:
    """The host and port that are reached are those of the first that is set."""
    wrong = str(free_port())
    flag = ended_once("subscribed", 1, *ALL, "--port", str(mosquitto_port), environ={"MQTT_PORT": wrong})
    variable = ended_once("subscribed", mosquitto_port, *ALL, environ={"VF_BROKER_PORT": wrong})
    environ = {"MQTT_PORT": "", "MQTT_BROKER": "", "VF_BROKER_PORT": str(mosquitto_port), "VF_BROKER_HOST": "127.0.0.1"}
    reference = ended_once("subscribed", 1, *ALL, environ=environ)

    assert (flag.code, variable.code, reference.code) == (0, 0, 0)


@pytest.mark.parametrize("command", [ALL, ("observe",), ("controller",)])
def test_the_time_of_a_command_ends_also_while_a_broker_does_not_answer(command: Sequence[str]) -> None:
    """It says what it was waiting for, and does not wait the ten seconds that a CONNACK may take."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        ended = run(silent.getsockname()[1], *command, "--seconds", "1s")

        assert time.monotonic() - began < 10
    assert ended.code == 1
    assert "has not answered CONNECT within" in ended.err
