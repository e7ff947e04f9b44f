"""The tests' own counterparts do what they say: a fault that is not one would prove nothing."""

from __future__ import annotations

import asyncio
import base64
import hmac
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from paho.mqtt import publish
from paho.mqtt.client import MQTTv5

from sandbox.access import ServiceAccountTokens
from sandbox.broker import EmbeddedBroker, Listener
from tests.conftest import StartMosquitto
from tests.support.brokers.credentials import Credentials
from tests.support.brokers.mosquitto import Mosquitto
from tests.support.brokers.subscriber import Access, Record, Recorder, Refused
from tests.support.processes.leaks import children
from tests.support.processes.waiting import wait_until

_NOT_AUTHORIZED = 0x87
_BAD_AUTHENTICATION_METHOD = 0x8C


def refusal(port: int, access: Access) -> int:
    """The CONNACK's reason code for a client that is not let in."""
    with pytest.raises(Refused) as refused, Recorder(port, access):
        pass
    return refused.value.code


def say(broker: Mosquitto, topic: str, payload: str) -> None:
    """Publish at the plain listener with QoS 1, and return once it is acknowledged."""
    publish.single(topic, payload, qos=1, hostname="127.0.0.1", port=broker.ports["plain"], protocol=MQTTv5)


def always(token: bytes) -> Callable[[], bytes]:
    """A source of tokens that never renews."""
    return lambda: token


def test_a_good_token_is_let_in(mosquitto: Mosquitto) -> None:
    """mosquitto with the plugin accepts a K8S-SAT client whose token is in order."""
    with Recorder(mosquitto.ports["sat"], mosquitto.access("sat")) as recorder:
        assert recorder.connack["AuthenticationMethod"] == "K8S-SAT"


def test_bad_tokens_are_not_authorized(mosquitto: Mosquitto, credentials: Credentials) -> None:
    """Expired, meant for others, damaged or no token at all: CONNACK 0x87 for each, and no token in the log."""
    bad = {
        "expired": credentials.token(lifetime_seconds=-1),
        "audience": credentials.token(audience="somebody-else"),
        "garbage": b"gar.ba.ge",
        "empty": b"",
        "unsigned": credentials.token().rpartition(b".")[0] + b".",
        "NUL behind": credentials.token() + b"\0",
    }
    access = mosquitto.access("sat")
    codes = {name: refusal(mosquitto.ports["sat"], replace(access, token=always(t))) for name, t in bad.items()}
    assert codes == dict.fromkeys(bad, _NOT_AUTHORIZED)
    assert not [name for name, token in bad.items() if token and token.decode()[:20] in mosquitto.log_tail()]


def test_the_public_key_is_no_secret_to_sign_with(mosquitto: Mosquitto, credentials: Credentials) -> None:
    """A token signed with HMAC, keyed with the issuer's public key, is not taken for the issuer's: 0x87."""
    header = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').rstrip(b"=")
    signed = header + b"." + credentials.token().split(b".")[1]
    signature = hmac.digest(credentials.public_key_file.read_bytes(), signed, "sha256")
    token = signed + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")
    access = replace(mosquitto.access("sat"), token=always(token))
    assert refusal(mosquitto.ports["sat"], access) == _NOT_AUTHORIZED
    assert "not signed with RS256" in mosquitto.log_tail()


def test_a_strangers_signature_is_not_authorized(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """A token with the right claims, signed by another issuer, is answered with 0x87."""
    stranger = Credentials(tmp_path / "stranger")
    access = replace(mosquitto.access("sat"), token=stranger.token)
    assert refusal(mosquitto.ports["sat"], access) == _NOT_AUTHORIZED


def test_no_token_is_not_authorized(mosquitto: Mosquitto) -> None:
    """The TLS listener lets nobody in without a method, whatever the plain listener beside it allows."""
    assert refusal(mosquitto.ports["sat"], replace(mosquitto.access("sat"), token=None)) == _NOT_AUTHORIZED


def test_another_method_is_a_bad_authentication_method(mosquitto: Mosquitto) -> None:
    """A good token under another method's name is answered with 0x8C."""
    access = replace(mosquitto.access("sat"), method="SCRAM-SHA-1")
    assert refusal(mosquitto.ports["sat"], access) == _BAD_AUTHENTICATION_METHOD


def test_listeners_of_one_broker_share_its_topics(mosquitto: Mosquitto) -> None:
    """What is published at the plain port arrives at a K8S-SAT subscriber, in order."""
    with Recorder(mosquitto.ports["sat"], mosquitto.access("sat")) as recorder:
        for number in range(5):
            say(mosquitto, "factory/cnc", str(number))
        records = recorder.wait_for(5)
    assert [(each.topic, each.payload, each.qos) for each in records] == [
        ("factory/cnc", str(number).encode(), 1) for number in range(5)
    ]


def test_a_recorder_serves_the_sandbox_broker_too(credentials: Credentials) -> None:
    """The same subscriber, with TLS and a token, records what the embedded broker sends."""

    def record(broker: EmbeddedBroker) -> list[Record]:
        with Recorder(broker.ports[0], Access(credentials.ca_file, token=credentials.token)) as recorder:
            publish.single("a/b", "x", qos=1, hostname="127.0.0.1", port=broker.ports[1], protocol=MQTTv5)
            return recorder.wait_for(1)

    async def serve() -> list[Record]:
        tls = Listener(tls=credentials.authority.server_context(), access=ServiceAccountTokens(credentials.issuer))
        async with EmbeddedBroker(tls, Listener()) as broker:
            return await asyncio.to_thread(record, broker)

    assert [(each.topic, each.payload) for each in asyncio.run(serve())] == [("a/b", b"x")]


def test_the_password_listener_wants_the_password(start_mosquitto: StartMosquitto) -> None:
    """Username and password: the right one is let in, a wrong one is answered with 0x87."""
    broker = start_mosquitto(listeners=["password"])
    access = broker.access("password")
    with Recorder(broker.ports["password"], access) as recorder:
        assert recorder.sessions == [False]
    assert refusal(broker.ports["password"], replace(access, password="wrong")) == _NOT_AUTHORIZED


def test_the_certificate_listener_wants_a_certificate(start_mosquitto: StartMosquitto) -> None:
    """X.509: a client certificate of the CA is let in; without one there is no connection."""
    broker = start_mosquitto(listeners=["x509"])
    access = broker.access("x509")
    with Recorder(broker.ports["x509"], access) as recorder:
        assert recorder.sessions == [False]
    with pytest.raises((OSError, TimeoutError)), Recorder(broker.ports["x509"], Access(access.ca_file)):
        pass


def test_options_reach_the_broker(start_mosquitto: StartMosquitto) -> None:
    """The limits of mosquitto.conf are those of the CONNACK, broker-wide ones and a listener's own."""
    limits = {"max_inflight_messages": 5, "max_keepalive": 20, "max_packet_size": 4096, "max_qos": 1}
    broker = start_mosquitto(listeners=["plain"], options=limits)
    with Recorder(broker.ports["plain"]) as recorder:
        told = recorder.connack
    assert (told["ReceiveMaximum"], told["ServerKeepAlive"], told["MaximumPacketSize"], told["MaximumQoS"]) == (
        *limits.values(),
    )


@pytest.mark.parametrize("end", [Mosquitto.stop, Mosquitto.kill])
def test_a_persistent_broker_comes_back_with_its_sessions(
    start_mosquitto: StartMosquitto, end: Callable[[Mosquitto], None]
) -> None:
    """Stopped or killed and started again, it serves the same port, and a subscriber finds its session there."""
    broker = start_mosquitto(persistence=True)
    with Recorder(broker.ports["sat"], broker.access("sat"), client_id="recorder") as recorder:
        broker.save()
        end(broker)
        broker.restart()
        wait_until(lambda: len(recorder.sessions) == 2, 30, "the subscriber is back")
        say(broker, "factory/cnc", "after")
        assert recorder.wait_for(1)[0].payload == b"after"
    assert recorder.sessions == [False, True]


def test_a_broker_without_persistence_forgets(mosquitto: Mosquitto) -> None:
    """By default a restart loses the sessions."""
    with Recorder(mosquitto.ports["plain"], client_id="recorder") as recorder:
        mosquitto.restart()
        wait_until(lambda: len(recorder.sessions) == 2, 30, "the subscriber is back")
    assert recorder.sessions == [False, False]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="only Linux lists a process's children")
def test_children_are_seen() -> None:
    """The leak guard sees a child process until it has been waited for."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert child.pid in children()
    assert child.pid not in children()


def run_without_programs(tmp_path: Path, workers: int = 0, **environ: str) -> subprocess.CompletedProcess[str]:
    """pytest on one test that needs mosquitto, on a machine without the programs to set it up."""
    test = f"{__file__}::{test_a_good_token_is_let_in.__name__}"
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"-n{workers}", test],
        env={"PATH": str(tmp_path), **environ},
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_skip_for_want_of_mosquitto_is_said_at_the_end(tmp_path: Path) -> None:
    """Right above pytest's closing line stands how many tests were skipped, why, and what to install."""
    result = run_without_programs(tmp_path, workers=1)
    sentence, closing = result.stdout.splitlines()[-2:]
    assert sentence.startswith("1 test skipped: no mosquitto")
    assert "apt-get install mosquitto" in sentence
    assert "1 skipped" in closing
    assert result.returncode == 0


def test_a_skip_for_want_of_mosquitto_can_be_made_a_failure(tmp_path: Path) -> None:
    """With EDGEMQTTSIM_REQUIRE_MOSQUITTO=1 the same run fails."""
    result = run_without_programs(tmp_path, EDGEMQTTSIM_REQUIRE_MOSQUITTO="1")
    assert (result.returncode, "skipped" in result.stdout) == (1, False)
