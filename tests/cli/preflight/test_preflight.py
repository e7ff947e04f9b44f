"""Facts about `preflight`: each thing that can be wrong on the way to the broker, broken in turn, and all well.

The command runs whole, with its flags and variables, against a broker in another thread; where the daemon's own process
matters, as a process.
"""

from __future__ import annotations

import datetime
import re
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from mqtt5 import ConnectPacket, PublishPacket, QoS, SubscribePacket

import app
import cli.preflight.command
import sandbox.credentials
from cli.options.preflight import MEANINGS
from cli.options.preflight import ExitCode as Exit
from cli.preflight.findings import Finding
from cli.verify.input.received_messages import ReceivedMessages
from sandbox.access import Passwords, ServiceAccountTokens
from sandbox.broker import EmbeddedBroker, Limits, Listener
from sandbox.credentials import Authority, TokenIssuer
from sandbox.faults import Faults
from tests.conftest import StartMosquitto
from tests.support.brokers.scenes import Pod
from tests.support.brokers.subscriber import Recorder
from tests.support.processes.daemon import DaemonProcess, running
from tests.support.processes.ports import free_port
from tests.support.processes.waiting import wait_until

ROOT = Path(__file__).parents[3]
ORDERS = "factory/orders"
ALL_TOPICS = ["3dprinter", "cnc", "dispatch", "orders", "painting", "testing", "welding"]

Capture = pytest.CaptureFixture[str]
Scene = Callable[[Pod], AbstractContextManager[int]]
"""Puts something wrong in place for a pod; gives the port to connect to."""


def environ(pod: Pod, port: int, **others: str) -> dict[str, str]:
    """The variables of a pod that has everything right."""
    right = {"MQTT_BROKER": "localhost", "MQTT_PORT": str(port), "MQTT_CLIENT_ID": "plant-0"}
    return right | {"MQTT_CA_FILE": str(pod.ca_file), "SAT_TOKEN_PATH": str(pod.token_file)} | others


def preflight(variables: dict[str, str], *flags: str) -> int:
    """The exit code of the command."""
    return app.main(["preflight", *flags], variables)


@contextmanager
def at(broker: EmbeddedBroker) -> Iterator[int]:
    """The port of a running broker."""
    with running(broker):
        yield broker.port


# What can be wrong


def sound(pod: Pod) -> AbstractContextManager[int]:
    """Nothing is: TLS and K8S-SAT as in a cluster."""
    return at(pod.broker())


def nobody(_pod: Pod) -> AbstractContextManager[int]:
    """Nobody listens."""
    return contextmanager(lambda: iter([free_port()]))()


def plain(_pod: Pod) -> AbstractContextManager[int]:
    """A port without TLS, for anybody."""
    return at(EmbeddedBroker())


def with_ca(content: bytes) -> Scene:
    """Another content of the CA file."""

    def scene(pod: Pod) -> AbstractContextManager[int]:
        pod.ca_file.write_bytes(content)
        return sound(pod)

    return scene


def with_token(make: Callable[[Pod], bytes]) -> Scene:
    """Another token in the file."""

    def scene(pod: Pod) -> AbstractContextManager[int]:
        pod.rotate(make(pod))
        return sound(pod)

    return scene


def without_token(pod: Pod) -> AbstractContextManager[int]:
    """The volume is empty."""
    pod.volume.write({})
    return sound(pod)


def with_certificate(before_days: float, after_days: float) -> Scene:
    """A broker's certificate that is valid from so many days before now to so many after."""

    def scene(pod: Pod) -> AbstractContextManager[int]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sandbox.credentials, "CLOCK_SKEW", datetime.timedelta(days=before_days))
            patch.setattr(sandbox.credentials, "VALIDITY", datetime.timedelta(days=after_days))
            return at(pod.broker())

    return scene


def other_authority(pod: Pod) -> AbstractContextManager[int]:
    """A broker that another authority vouches for."""
    return at(pod.broker(Authority("Somebody Else's CA")))


def password(pod: Pod) -> AbstractContextManager[int]:
    """A port for names and passwords; ours is wrong."""
    (pod.ca_file.parent / "password").write_text("wrong")
    return at(EmbeddedBroker(Listener(access=Passwords({"factory": "correct horse"}))))


def refusing(code: int) -> Scene:
    """A broker that answers CONNECT with a reason code."""

    def scene(pod: Pod) -> AbstractContextManager[int]:
        broker = pod.broker()
        broker.faults.refuse(code, times=None)
        return at(broker)

    return scene


def puback(code: int) -> Scene:
    """A broker that answers messages on the orders' topic with a reason code."""

    def scene(pod: Pod) -> AbstractContextManager[int]:
        broker = pod.broker()
        broker.faults.puback(code, times=None, when=lambda packet: packet.topic == ORDERS)
        return at(broker)

    return scene


def with_fault(act: Callable[[Faults], object]) -> Scene:
    """A plain broker with another fault."""

    def scene(_pod: Pod) -> AbstractContextManager[int]:
        broker = EmbeddedBroker()
        act(broker.faults)
        return at(broker)

    return scene


def tight(_pod: Pod) -> AbstractContextManager[int]:
    """A broker that takes short packets only."""
    return at(EmbeddedBroker(limits=Limits(maximum_packet_size=150)))


def answering(words: bytes) -> Scene:
    """Return a scripted server that answers anything with these bytes and closes."""

    @contextmanager
    def scene(_pod: Pod) -> Iterator[int]:
        with socket.create_server(("127.0.0.1", 0)) as server:
            threading.Thread(target=_answer, args=(server, words), daemon=True).start()
            yield server.getsockname()[1]
            server.shutdown(socket.SHUT_RDWR)

    return scene


def _answer(server: socket.socket, words: bytes) -> None:
    while True:
        try:
            client, _ = server.accept()
        except OSError:
            return
        with client:
            if client.recv(4096):
                client.sendall(words)


def stranger(_pod: Pod) -> bytes:
    """A good token of another cluster."""
    return TokenIssuer().token().encode()


class Broken(NamedTuple):
    """A fault and what preflight reports: exit code, words of the problem, words of the fix."""

    name: str
    scene: Scene
    code: Exit
    problem: str
    fix: str
    variables: dict[str, str] = {}  # noqa: RUF012 - never changed
    timeout: str = "10"


PLAIN = {"MQTT_TLS": "false", "MQTT_AUTH_METHOD": "NONE"}
COMMANDS = {**PLAIN, "MQTT_COMMANDS": "true"}
USER = {"MQTT_TLS": "false", "MQTT_AUTH_METHOD": "USERPASS", "MQTT_USERNAME": "factory"}
LONG = {"MQTT_TOPIC_PREFIX": "factory" * 20}
HTTP = b"HTTP/1.1 400 Bad Request\r\n\r\n"
MQTT_3 = bytes((0x20, 2, 0, 1))
MQTT_5 = bytes((0x20, 3, 0, 0x84, 0))
OLD = {**PLAIN, "MQTT_VERSION": "3.1.1"}

NO_KEYS = {"MQTT_AUTH_METHOD": "X509", "MQTT_CERT_FILE": "/no.crt", "MQTT_KEY_FILE": "/no.key"}

TABLE = [
    Broken("an option", nobody, Exit.CONFIGURATION, "MQTT_QOS: must be", "Correct each", {"MQTT_QOS": "2"}),
    Broken("the YAML", nobody, Exit.CONFIGURATION, "no.yaml", "configmap", {"MESSAGE_CONFIG_PATH": "/no.yaml"}),
    Broken("no name", nobody, Exit.NO_ADDRESS, "name does not exist", "aio-broker", {"MQTT_BROKER": "broker.invalid"}),
    Broken("nobody there", nobody, Exit.UNREACHABLE, "no process listens", "set MQTT_BROKER"),
    Broken("no CA file", sound, Exit.CA_FILE, "no.crt is missing", "trust-bundle", {"MQTT_CA_FILE": "/no.crt"}),
    Broken("a CA file of junk", with_ca(b"junk"), Exit.CA_FILE, "no certificate in PEM form", "ca.crt"),
    Broken("another CA", other_authority, Exit.TLS, 'signed by "Somebody Else\'s CA"', "MQTT_CA_FILE"),
    Broken("another name", sound, Exit.TLS, "wrong name", "such as localhost", {"MQTT_TLS_SERVER_NAME": "a.example"}),
    Broken("an old certificate", with_certificate(9, -1), Exit.TLS, "expired: ", "cert-manager"),
    Broken("a coming certificate", with_certificate(-1, 9), Exit.TLS, "not yet valid: ", "clock is behind"),
    Broken("TLS to a plain port", plain, Exit.TLS, "uses MQTT without TLS", "Set MQTT_PORT"),
    Broken("plain to a TLS port", sound, Exit.TLS, "uses TLS, and MQTT_TLS is false", "Unset MQTT_TLS", PLAIN),
    Broken("no TLS at all", answering(HTTP), Exit.TLS, "uses neither TLS nor MQTT", "Another service listens"),
    Broken("no token", without_token, Exit.CREDENTIALS, "broker-sat is missing", "not by subPath"),
    Broken("no token, and no pod", without_token, Exit.CREDENTIALS, "broker-sat is missing", "NONE, USERPASS or X509"),
    Broken("no JWT", with_token(lambda _: b"junk"), Exit.CREDENTIALS, "contains no JWT", "service account token"),
    Broken("an old token", with_token(lambda pod: pod.credentials.token(lifetime_seconds=-9)), Exit.CREDENTIALS,
           " expired at", "kubelet"),
    Broken("another audience", with_token(lambda pod: pod.credentials.token("aio-mq")), Exit.CREDENTIALS,
           "the token is for aio-mq, not for aio-internal", "Set `audience`"),
    Broken("no client certificate", sound, Exit.CREDENTIALS, "certificate file /no.crt is missing", "a pair", NO_KEYS),
    Broken("another cluster's token", with_token(stranger), Exit.REJECTED, "0x87", "BrokerAuthentication"),
    Broken("a wrong password", password, Exit.REJECTED, "0x86", "MQTT_PASSWORD_FILE", USER),
    Broken("another login", plain, Exit.REJECTED, "0x8C", "authenticationRef", {"MQTT_TLS": "false"}),
    Broken("a bad client id", refusing(0x85), Exit.REJECTED, "0x85", "MQTT_CLIENT_ID"),
    Broken("MQTT 3", answering(MQTT_3), Exit.REJECTED, "0x84", "a broker with MQTT 5", PLAIN),
    Broken("MQTT 5 alone", answering(MQTT_5), Exit.REJECTED, "return code 1 Unacceptable protocol version",
           "Set MQTT_VERSION to the other version", OLD),
    Broken("another login, MQTT 3.1.1", answering(bytes((0x20, 2, 0, 5))), Exit.REJECTED,
           "return code 5 Not authorized", "MQTT_AUTH_METHOD", OLD),
    Broken("not yet, MQTT 3.1.1", answering(bytes((0x20, 2, 0, 3))), Exit.NO_SESSION,
           "return code 3 Server unavailable", "--wait", OLD),
    Broken("hung up on, MQTT 3.1.1", answering(HTTP), Exit.NO_SESSION,
           "no answer to CONNECT", "MQTT 3.1.1 broker", OLD),
    Broken("a full broker", refusing(0x97), Exit.NO_SESSION, "0x97", "--wait"),
    Broken("too many at once", refusing(0x9F), Exit.NO_SESSION, "0x9F", "--wait"),
    Broken("no answer", with_fault(lambda faults: faults.stall(None, ConnectPacket)), Exit.NO_SESSION,
           "did not answer within 0.3 s", "MQTT 5 broker", PLAIN, "0.3"),
    Broken("hung up on", answering(HTTP), Exit.NO_SESSION, "no answer to CONNECT", "MQTT 5 broker", PLAIN),
    Broken("a forbidden topic", puback(0x87), Exit.PUBLISH, "0x87 Not authorized: factory/orders", "Allow `Publish`"),
    Broken("a bad topic", puback(0x90), Exit.PUBLISH, "0x90 Topic name invalid: factory/orders", "MQTT_TOPIC_PREFIX"),
    Broken("no room", puback(0x97), Exit.PUBLISH, "0x97 Quota exceeded: factory/orders", "queue of the broker is full"),
    Broken("short packets", tight, Exit.PUBLISH, "0x95 Packet too large: ", "maximum packet size", PLAIN | LONG),
    Broken("no acknowledgement", with_fault(lambda faults: faults.withhold(nth=3)), Exit.PUBLISH,
           "no acknowledgement within 0.3 s: factory/dispatch", "stuck", PLAIN, "0.3"),
    Broken("closed instead", with_fault(lambda faults: faults.disconnect(0x87, nth=2)), Exit.PUBLISH,
           "before the answers for factory/cnc", "does not allow the first", PLAIN),
    Broken("a forbidden subscription", with_fault(lambda faults: faults.suback(0x87)), Exit.SUBSCRIBE,
           "refuses factory/commands/+/+: 0x87 Not authorized", "Allow `Subscribe`", COMMANDS),
    Broken("no answer to it", with_fault(lambda faults: faults.ignore(SubscribePacket)), Exit.SUBSCRIBE,
           "no answer within 0.3 s: factory/commands/+/+", "MQTT_COMMANDS=false", COMMANDS, "0.3"),
    Broken("closed at it", with_fault(lambda faults: faults.disconnect(0x87, SubscribePacket)), Exit.SUBSCRIBE,
           "before the answer for factory/commands/+/+", "Allow `Subscribe`", COMMANDS),
]  # fmt: skip
"""At least one for each exit code that means a failure."""


@pytest.mark.parametrize("broken", TABLE, ids=[each.name for each in TABLE])
def test_each_thing_that_is_wrong_is_named_with_its_fix(broken: Broken, pod: Pod, capsys: Capture) -> None:
    """Each fault has its exit code, a sentence with the cause, and what to do about it."""
    variables = broken.variables
    if variables is USER:
        variables = USER | {"MQTT_PASSWORD_FILE": str(pod.ca_file.parent / "password")}
    with broken.scene(pod) as port:
        code = preflight(environ(pod, port, **variables), "--timeout", broken.timeout)
    sentence, _, fix = capsys.readouterr().out.partition("FAIL ")[2].partition("fix: ")

    assert Exit(code) is broken.code
    assert broken.problem in sentence
    assert broken.fix in fix


def test_the_table_has_every_exit_code() -> None:
    """Each way to fail that the help lists is shown to happen; only an interruption has a test of its own."""
    assert {each.code for each in TABLE} == {*Exit} - {Exit.SUCCESS, Exit.INTERRUPTED}
    assert {*MEANINGS} == {*Exit}


# All well


def test_a_sound_way_is_found_well(pod: Pod, capsys: Capture) -> None:
    """Every step reports its finding, and the exit code is 0."""
    with sound(pod) as port:
        code = preflight(environ(pod, port))
    said = capsys.readouterr().out

    assert (code, "FAIL" in said) == (0, False)
    assert all(re.search(rf"^ok +{step.name} ", said, re.MULTILINE) for step in cli.preflight.command.STEPS)
    assert "service account mqtt-client in azure-iot-operations, for aio-internal" in said
    assert "Receive Maximum 1,000, Maximum QoS 1, Maximum Packet Size 262,144 bytes" in said


def test_every_topic_of_every_machine_is_tried(pod: Pod) -> None:
    """In the layout with a topic a machine, through a window of one: no more at once than the broker grants."""
    broker = EmbeddedBroker(limits=Limits(receive_maximum=1))
    with running(broker), Recorder(broker.port) as heard:
        assert preflight(environ(pod, broker.port, **PLAIN, TOPIC_LAYOUT="machine")) == 0
        assert len({each.topic for each in heard.wait_for(24)}) == 5 + 8 + 4 + 3 + 2 + 2

    assert broker.counters.disconnected == {}


def test_many_topics_may_take_their_time(pod: Pod, capsys: Capture) -> None:
    """The timeout is each answer's own: one after the other, 24 of them may take longer than that together."""
    broker = EmbeddedBroker(limits=Limits(receive_maximum=1))
    broker.faults.delay(0.05, times=None)
    with running(broker):
        code = preflight(environ(pod, broker.port, **PLAIN, TOPIC_LAYOUT="machine"), "--timeout", "0.6")

    assert code == 0, capsys.readouterr().out


def test_the_test_message_can_be_taken_for_nothing_else(pod: Pod) -> None:
    """It is empty, marked, gone in a second, and no row: `verify` does not even count it."""
    with at(EmbeddedBroker()) as port, Recorder(port) as heard:
        preflight(environ(pod, port, **PLAIN))
        records = heard.wait_for(7)
    rows = ReceivedMessages(0)
    rows.read(each.payload for each in records)

    assert [each.topic for each in records] == [f"factory/{name}" for name in ALL_TOPICS]
    for each in records:
        assert (each.payload, each.content_type, each.user_properties) == (b"", None, (("edgemqttsim", "preflight"),))
        assert each.expiry_seconds in {0, 1}
    assert (rows.unreadable, rows.unrelated, rows.outside, rows.machines) == (0, 0, 0, {})


def test_a_retained_report_outlives_the_test_of_its_topic(pod: Pod) -> None:
    """The test message is not retained, so it neither stays nor clears what is (MQTT 5, 3.3.1.3)."""
    broker = EmbeddedBroker()
    with running(broker):
        broker.publish(PublishPacket("factory/cnc", b"kept", qos=QoS.AT_LEAST_ONCE, packet_id=1, retain=True))
        assert preflight(environ(pod, broker.port, **PLAIN)) == 0
        with Recorder(broker.port) as late:
            assert [each.payload for each in late.wait_for(1)] == [b"kept"]


@pytest.mark.parametrize("faults", [{}, {0x87}, {0x97}], ids=["well", "forbidden", "full"])
def test_a_running_replica_is_left_alone(faults: set[int], pod: Pod) -> None:
    """Another client with the very client id keeps connection and session, and no session of a preflight stays."""
    broker = EmbeddedBroker()
    for code in faults:
        broker.faults.puback(code, times=None)
    with running(broker), Recorder(broker.port, client_id="plant-0") as replica:
        preflight(environ(pod, broker.port, **PLAIN))
        wait_until(lambda: [*broker.sessions] == ["plant-0"], 20.0, "one session")

        assert (replica.sessions, broker.connected) == ([False], ["plant-0"])


def test_no_topic_is_tried_where_that_is_not_wanted(pod: Pod) -> None:
    """With --no-publish only the way up to CONNECT is checked, and the session of that is ended at once."""
    broker = pod.broker()
    with running(broker):
        assert preflight(environ(pod, broker.port), "--no-publish") == 0
        wait_until(lambda: not broker.sessions, 20.0, "no session")

    assert (broker.counters.publishes.total(), broker.counters.connects.total()) == (0, 1)


def test_what_the_broker_grants_less_is_warned_of(pod: Pod, capsys: Capture) -> None:
    """QoS 0 only, a short session, short packets: warnings, and no failure."""
    limits = Limits(maximum_qos=0, session_expiry_maximum_seconds=60, maximum_packet_size=2000)
    with at(EmbeddedBroker(limits=limits)) as port:
        code = preflight(environ(pod, port, **PLAIN))
    warnings = re.findall(r"^warn +(?:CONNECT|PUBLISH) +(.*)", capsys.readouterr().out, re.MULTILINE)

    assert code == 0
    about = ("Maximum QoS", "Maximum Packet Size", "keeps sessions", "published")
    assert [text for words, text in zip(about, warnings, strict=True) if words not in text] == []


def test_another_audience_that_the_broker_takes_is_no_failure(pod: Pod, capsys: Capture) -> None:
    """The audience in the token is compared with --audience; what counts is the broker's answer."""
    pod.rotate(pod.credentials.token("factory"))
    access = ServiceAccountTokens(pod.credentials.issuer, "factory")
    with at(EmbeddedBroker(Listener(tls=pod.credentials.authority.server_context(), access=access))) as port:
        assert preflight(environ(pod, port)) == 0
        assert "warn  login      wrong audience" in capsys.readouterr().out
        assert preflight(environ(pod, port), "--audience", "factory") == 0
        assert "wrong audience" not in capsys.readouterr().out


# Waiting, as an init container does


def test_with_wait_it_passes_once_the_broker_is_there(pod: Pod) -> None:
    """A preflight process waits for the broker, writes unchanged lines once, and shows no token."""
    port = free_port()
    with DaemonProcess("preflight", "--wait", "60", environ=environ(pod, port)) as process:
        wait_until(lambda: "retrying for up to 60 s" in "".join(process.output), 30.0, "waiting")
        with running(pod.broker(port=port)):
            assert process.wait() == 0
    said = "".join(process.output)

    assert (said.count("preflight failed at TCP, exit code 5"), said.count("ok    settings")) == (1, 1)
    assert said.rstrip().endswith("preflight succeeded")
    assert pod.token_file.read_text().split(".")[2].strip() not in said + process.log


def test_a_wait_can_be_over_and_can_be_ended(pod: Pod, capsys: Capture) -> None:
    """After --wait the exit code is that of the last failure, which is printed; SIGTERM ends a wait with 1."""
    nowhere = environ(pod, free_port())
    with DaemonProcess("preflight", "--wait", "60", environ=nowhere) as process:
        wait_until(lambda: "retrying" in "".join(process.output), 30.0, "waiting")
        process.signal(signal.SIGTERM)
        assert (process.wait(), process.output[-1], process.log) == (Exit.INTERRUPTED, "interrupted\n", "")

    assert preflight(nowhere, "--wait", "0.01") == Exit.UNREACHABLE
    assert capsys.readouterr().out.endswith("\nstill failing after 0.01 s, exit code 5\n")


def test_with_commands_on_the_subscription_is_tested_and_with_commands_off_it_is_not(capsys: Capture) -> None:
    """One more step, and no session remains of it."""
    with at(broker := EmbeddedBroker()) as port:
        variables = {"MQTT_BROKER": "127.0.0.1", "MQTT_PORT": str(port), **PLAIN}
        assert preflight(variables) == 0
        without = capsys.readouterr().out
        assert preflight(variables | {"MQTT_COMMANDS": "true"}) == 0
        wait_until(lambda: not broker.sessions, 20.0, "no session")

    assert "SUBSCRIBE" not in without
    assert "ok    SUBSCRIBE  the broker sends the commands of factory/commands/+/+" in capsys.readouterr().out


# mosquitto


def test_mosquitto_is_found_well(start_mosquitto: StartMosquitto, pod: Pod, capsys: Capture) -> None:
    """TLS, K8S-SAT and each topic, with a broker that is not ours."""
    mosquitto = start_mosquitto(listeners=["sat"])
    assert preflight(environ(pod, mosquitto.ports["sat"])) == 0

    assert re.search(r"^note +PUBLISH +no subscribers now for factory/3dprinter", capsys.readouterr().out, re.MULTILINE)


def test_with_mqtt_3_1_1_mosquitto_is_found_well_and_what_cannot_be_tested_is_named(
    start_mosquitto: StartMosquitto, pod: Pod, capsys: Capture
) -> None:
    """A topic that it forbids would be acknowledged all the same, so that line is a warning. An empty message for each
    topic is all that comes of the test."""
    mosquitto = start_mosquitto(listeners=["plain"])
    with Recorder(mosquitto.ports["plain"]) as recorder:
        variables = environ(pod, mosquitto.ports["plain"], **OLD, MQTT_COMMANDS="true")
        assert preflight(variables) == 0
        records = recorder.wait_for(len(ALL_TOPICS))

    said = capsys.readouterr().out
    assert "note  CONNECT    not tested, as MQTT 3.1.1 does not report it: the broker's limits (Receive Max" in said
    assert "warn  PUBLISH    the broker has acknowledged all: factory/3dprinter, factory/cnc, " in said
    assert "ok    SUBSCRIBE  the broker sends the commands of factory/commands/+/+" in said
    assert sorted(one.topic for one in records) == [f"factory/{name}" for name in ALL_TOPICS]
    assert {(one.payload, one.retain, one.qos) for one in records} == {(b"", False, 1)}


def test_what_mosquitto_forbids_is_named(
    start_mosquitto: StartMosquitto, pod: Pod, tmp_path: Path, capsys: Capture
) -> None:
    """A topic that is not on the list fails; some versions of mosquitto close the connection over it."""
    (tmp_path / "acl").write_text("".join(f"topic write factory/{name}\n" for name in ALL_TOPICS[1:]))
    mosquitto = start_mosquitto(listeners=["plain"], options={"acl_file": tmp_path / "acl"})
    assert preflight(environ(pod, mosquitto.ports["plain"], **PLAIN)) == Exit.PUBLISH

    assert re.search(r"FAIL  PUBLISH .*(0x87 Not authorized:|answers for) factory/3dprinter", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("listener", "variables", "code", "problem"),
    [
        ("sat", PLAIN, Exit.TLS, "uses TLS, and MQTT_TLS is false"),
        ("plain", {}, Exit.TLS, "uses MQTT without TLS"),
        ("x509", {"MQTT_AUTH_METHOD": "NONE"}, Exit.CREDENTIALS, "rejects the TLS client certificate"),
        ("password", {"MQTT_AUTH_METHOD": "NONE"}, Exit.REJECTED, "0x87"),
    ],
)
def test_a_wrong_port_of_mosquitto_is_recognised(
    listener: str,
    variables: dict[str, str],
    code: Exit,
    problem: str,
    start_mosquitto: StartMosquitto,
    pod: Pod,
    capsys: Capture,
) -> None:
    """TLS and plain mixed up, and a login that the port does not have."""
    mosquitto = start_mosquitto(listeners=[listener])

    assert preflight(environ(pod, mosquitto.ports[listener], **variables)) == code
    assert problem in capsys.readouterr().out


# What is written of it


def test_the_exit_codes_are_those_of_help_and_documents(capsys: Capture) -> None:
    """One table: in the code, in --help and in docs/troubleshooting.md."""
    with pytest.raises(SystemExit):
        app.main(["preflight", "--help"], {})
    shown = capsys.readouterr().out
    page = (ROOT / "docs" / "troubleshooting.md").read_text("utf-8")

    assert all(f"{code.value:>2}  {meaning}\n" in f"{shown}\n" for code, meaning in MEANINGS.items())
    table = dict(re.findall(r"^\| (\d+) \| ([^|]+) \|", page, re.MULTILINE))
    assert table == {str(code.value): meaning for code, meaning in MEANINGS.items()}


def test_the_lines_in_the_documents_are_those_that_come(pod: Pod, capsys: Capture) -> None:
    """The page shows all steps in their order, and a failure word for word."""
    page = (ROOT / "docs" / "troubleshooting.md").read_text("utf-8")
    well, failed = re.findall(r"```text\n(.*?)```", page, re.DOTALL)
    with puback(0x87)(pod) as port:
        preflight(environ(pod, port))

    assert re.findall(r"^ok +(.*?)  ", well, re.MULTILINE) == [step.name for step in cli.preflight.command.STEPS]
    assert capsys.readouterr().out.endswith(failed)


def test_a_token_that_goes_away_meanwhile_is_a_finding_too(
    pod: Pod, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The volume is emptied between the look at the token and CONNECT, which reads it anew."""

    async def empties(_case: object) -> list[Finding]:
        pod.volume.write({})
        return []

    steps = [*cli.preflight.command.STEPS]
    at_connect = [step.name for step in steps].index("CONNECT")
    steps.insert(at_connect, cli.preflight.command.Step("meanwhile", empties))
    monkeypatch.setattr(cli.preflight.command, "STEPS", steps)
    with sound(pod) as port:
        assert preflight(environ(pod, port)) == Exit.CREDENTIALS

    assert re.search(r"FAIL  CONNECT .*broker-sat is missing", capsys.readouterr().out)


def test_a_login_by_a_name_alone_is_told_as_such(pod: Pod, capsys: Capture) -> None:
    """As the variables of EnMS have it."""
    pod.token_file.write_bytes(b"unused")
    login = PLAIN | {"MQTT_USERNAME": "factory", "HTTP_COMPAT": "enms", "MQTT_AUTH_METHOD": "USERPASS"}
    with at(EmbeddedBroker()) as port:
        assert preflight(environ(pod, port, **login)) == 0
    printed = capsys.readouterr().out

    assert "user factory, without a password" in printed
    assert "the password is sent" not in printed


def test_a_broker_that_repeats_the_password_gets_it_into_no_line(pod: Pod, capsys: Capture) -> None:
    """Its Reason String is replaced by the fact; its control characters reach no terminal."""
    pod.token_file.write_bytes(b"unused")
    password = pod.token_file.with_name("password")
    password.write_text("Xq7vR2zK9wP4tB6mJ")
    login = PLAIN | {"MQTT_AUTH_METHOD": "USERPASS", "MQTT_USERNAME": "factory", "MQTT_PASSWORD_FILE": str(password)}
    for words, shown in ((b"no Xq7vR2zK9wP4tB6mJ", "(not shown: it contains"), (b"\x1b[2Jno", "reason string: ?[2Jno")):
        properties = bytes((0x1F, 0, len(words))) + words
        refusal = bytes((0, 0x86, len(properties))) + properties
        with answering(bytes((0x20, len(refusal))) + refusal)(pod) as port:
            assert preflight(environ(pod, port, **login)) == Exit.REJECTED
        printed = capsys.readouterr().out
        assert shown in printed
        assert "Xq7vR2zK" not in printed
        assert "\x1b" not in printed
