"""Facts about logging in: tokens, passwords, certificates, whom we trust, a new token on the way, and no secret told.

Where seconds would pass, a test shortens a constant of the edge and says so.
"""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path

import pytest
from mqtt5 import AuthPacket

import edge.mqtt.auth.token_refresh
from sandbox.access import Certificates, Passwords
from sandbox.broker import EmbeddedBroker, Listener
from sandbox.credentials import Authority
from sandbox.observe import fingerprint
from tests.support.brokers.credentials import Credentials
from tests.support.brokers.rawclient import in_loop
from tests.support.brokers.rig import Lines, Rig, settings_for, until
from tests.support.brokers.scenes import Pod, plain, refusal
from tests.support.processes.ports import free_port

pytestmark = pytest.mark.usefixtures("brisk")


@in_loop
async def test_a_name_and_a_password_from_a_file_let_us_in(tmp_path: Path, lines: Lines) -> None:
    """USERPASS; the line break at the file's end is no part of the password."""
    (tmp_path / "password").write_text("correct horse\n")
    broker = EmbeddedBroker(Listener(access=Passwords({"factory": "correct horse"})))
    user = {"mqtt_auth_method": "USERPASS", "mqtt_username": "factory", "mqtt_password_file": tmp_path / "password"}
    async with plain(broker, **user):
        assert broker.connects[0].username == "factory"
        assert lines.count("in the clear") == 1


@in_loop
async def test_a_name_alone_is_sent_where_no_password_is_given() -> None:
    """As clients of EnMS have it, whose broker may let everyone in (MQTT 5, 3.1.2.9)."""
    broker = EmbeddedBroker()
    async with plain(broker, mqtt_auth_method="USERPASS", mqtt_username="factory", http_compat="enms"):
        assert broker.connects[0].username == "factory"


@in_loop
async def test_a_wrong_password_ends_it(tmp_path: Path) -> None:
    """CONNACK 0x86 is final, and the text names the two options to look at."""
    (tmp_path / "password").write_text("wrong")
    user = {"mqtt_auth_method": "USERPASS", "mqtt_username": "factory", "mqtt_password_file": tmp_path / "password"}
    access = Passwords({"factory": "correct horse"})
    async with EmbeddedBroker(Listener(access=access)) as broker, Rig(settings_for(broker.port, **user)) as rig:
        assert "MQTT_USERNAME, MQTT_PASSWORD_FILE" in str(await refusal(rig))


@in_loop
async def test_a_password_may_be_any_bytes(tmp_path: Path) -> None:
    """What is no UTF-8 is sent as it is (MQTT 5, 3.1.3.6): here it is wrong, and that is all."""
    (tmp_path / "password").write_bytes(b"\xff\xfe")
    user = {"mqtt_auth_method": "USERPASS", "mqtt_username": "factory", "mqtt_password_file": tmp_path / "password"}
    access = Passwords({"factory": "correct horse"})
    async with EmbeddedBroker(Listener(access=access)) as broker, Rig(settings_for(broker.port, **user)) as rig:
        assert (await refusal(rig)).code == 0x86


@in_loop
async def test_a_client_certificate_lets_us_in(credentials: Credentials) -> None:
    """X509: the broker asks for a certificate of its CA and gets ours."""
    tls = credentials.authority.server_context(client_ca_pem=credentials.authority.ca_pem)
    certificate = {
        "mqtt_tls": True,
        "mqtt_ca_file": credentials.ca_file,
        "mqtt_auth_method": "X509",
        "mqtt_cert_file": credentials.client_cert_file,
        "mqtt_key_file": credentials.client_key_file,
    }
    async with plain(EmbeddedBroker(Listener(tls=tls, access=Certificates())), **certificate) as (broker, _):
        assert broker.connects[0].reason_code == 0


@in_loop
async def test_an_insecure_connection_is_warned_of_each_time(pod: Pod, lines: Lines) -> None:
    """MQTT_TLS_INSECURE takes a broker of unknown authority, and says at every connect what that means."""
    async with pod.broker(Authority()) as broker, pod.rig(broker.port, mqtt_tls_insecure=True) as rig:
        await rig.connected()
        broker.cut()
        await rig.connected(times=2)
        assert lines.count("MQTT_TLS_INSECURE: the broker is not verified") == 2


@pytest.mark.parametrize(
    ("name", "ends"), [("broker.example", "connected"), ("other.example", "certificate not trusted")]
)
@in_loop
async def test_the_certificate_must_bear_the_name_given(
    name: str, ends: str, credentials: Credentials, lines: Lines
) -> None:
    """MQTT_TLS_SERVER_NAME is what is looked for, instead of the name that is connected to; a mismatch names it."""
    tls = credentials.authority.server_context(["broker.example"])
    options = {"mqtt_tls": True, "mqtt_ca_file": credentials.ca_file, "mqtt_tls_server_name": name}
    async with EmbeddedBroker(Listener(tls=tls)) as broker, Rig(settings_for(broker.port, **options)):
        await until(lambda: lines.count(ends), ends)
        assert lines.count("see MQTT_TLS_SERVER_NAME") == (ends != "connected")


@in_loop
async def test_the_ca_file_is_read_anew_at_each_connect(pod: Pod, lines: Lines) -> None:
    """After the broker has moved to another authority, the same process trusts it as soon as the file says so."""
    port, other = free_port(), Authority()
    async with pod.rig(port) as rig:
        async with pod.broker(port=port):
            await rig.connected()
        async with pod.broker(other, port):
            await until(lambda: lines.count("see MQTT_CA_FILE"), "not trusted")
            pod.ca_file.write_bytes(other.ca_pem)
            await rig.connected(times=2)


@pytest.mark.parametrize("content", [None, b"", b" \n"], ids=["missing", "empty", "blank"])
@in_loop
async def test_without_a_token_nobody_is_asked(content: bytes | None, pod: Pod, lines: Lines) -> None:
    """A clear line, and no CONNECT at all, least of all an anonymous one; with a token the connection comes up."""
    pod.volume.write({} if content is None else {"broker-sat": content})
    async with pod.broker() as broker, pod.rig(broker.port) as rig:
        await until(lambda: lines.count(f"token file {pod.token_file} is ") == 2, "two lines")
        assert broker.connects == []
        token = pod.rotate()
        await rig.connected()
        assert [one.token_sha256 for one in broker.connects] == [fingerprint(token)]


# A token that is refused


@in_loop
async def test_a_fresh_token_that_is_not_authorized_is_tried_five_times_more(pod: Pod, hurried: None) -> None:
    """Six refusals with 0x87 are final, and the last word names the token's audience."""
    pod.rotate(pod.credentials.token(audience="somebody-else"))
    async with pod.broker() as broker, pod.rig(broker.port) as rig:
        refused = await refusal(rig)
        assert (refused.code, refused.final) == (0x87, True)
        assert broker.counters.refused == {0x87: 6}


@in_loop
async def test_another_token_is_given_five_tries_of_its_own(pod: Pod, hurried: None) -> None:
    """The count of refusals begins anew when the file holds another token."""
    pod.rotate(b"no.such.token")
    async with pod.broker() as broker, pod.rig(broker.port) as rig:
        await until(lambda: broker.counters.refused[0x87] == 4, "refused four times")
        pod.rotate(b"nor.this.one")
        await refusal(rig)
        assert 9 <= broker.counters.refused[0x87] <= 10


@in_loop
async def test_an_expired_token_is_waited_out(pod: Pod, hurried: None, lines: Lines) -> None:
    """It is refused any number of times, with a line of its own, until a new one is in the file."""
    pod.rotate(pod.credentials.token(lifetime_seconds=-10))
    async with pod.broker() as broker, pod.rig(broker.port) as rig:
        await until(lambda: lines.count("the token has expired; waiting for a new one") > 6, "seven refusals")
        pod.rotate()
        await rig.connected()


@in_loop
async def test_an_expired_token_does_not_hide_another_trouble(pod: Pod, lines: Lines) -> None:
    """Where the broker is away too, or the token file, the line says so: the token alone would mend nothing."""
    pod.rotate(pod.credentials.token(lifetime_seconds=-10))
    async with pod.rig(free_port()):
        await until(lambda: lines.count("cannot reach"), "unreachable")
        pod.volume.write({})
        await until(lambda: lines.count("is missing"), "missing")
        assert lines.count("the token has expired") == len(lines.waits)


@pytest.mark.parametrize("expiry", ["1" + "0" * 400, "1e999", "NaN", '"soon"', "[]"], ids=lambda text: text[:5])
@in_loop
async def test_a_token_with_a_strange_expiry_is_the_brokers_to_judge(expiry: str, pod: Pod, hurried: None) -> None:
    """An `exp` that is no time is no reason to stumble: the token is offered, and refused like any bad one."""
    pod.rotate(b"e30." + base64.urlsafe_b64encode(b'{"exp":%s}' % expiry.encode()).rstrip(b"=") + b".c2ln")
    async with pod.broker() as broker, pod.rig(broker.port) as rig:
        assert (await refusal(rig)).code == 0x87


# A new token on the way


@in_loop
async def test_each_rotation_is_sent_on_the_live_connection(pod: Pod) -> None:
    """Two swaps of the projected volume's link, two AUTH 0x19 with the new token, one connection."""
    async with pod.broker() as broker, pod.rig(broker.port) as rig:
        await rig.connected()
        tokens = []
        for number in (1, 2):
            tokens.append(pod.rotate())
            await rig.renewed(number)
        assert [(one.reason_code, one.token_sha256) for one in broker.auths] == [
            (0x19, fingerprint(token)) for token in tokens
        ]
        assert rig.broker.facts().connects == len(broker.connects) == 1


@in_loop
async def test_a_broker_that_cannot_check_a_token_now_is_asked_again(
    pod: Pod, monkeypatch: pytest.MonkeyPatch, lines: Lines
) -> None:
    """AUTH 0x18 leaves the connection as it is; the same token is sent again after ten seconds, here 0.2."""
    monkeypatch.setattr(edge.mqtt.auth.token_refresh, "_ANSWER_SECONDS", 0.2)
    async with pod.broker() as broker, pod.rig(broker.port) as rig:
        broker.faults.postpone_reauthentication(times=2)
        await rig.connected()
        pod.rotate()
        await rig.renewed(1)
        assert len({one.token_sha256 for one in broker.auths}) == 1
        assert (len(broker.auths), len(broker.connects)) == (3, 1)


@in_loop
async def test_a_broker_that_does_not_answer_auth_is_left_once(pod: Pod, monkeypatch: pytest.MonkeyPatch) -> None:
    """After ten seconds, here 0.2, there is one reconnect with the new token, and the session is kept."""
    monkeypatch.setattr(edge.mqtt.auth.token_refresh, "_ANSWER_SECONDS", 0.2)
    async with pod.broker() as broker, pod.rig(broker.port) as rig:
        broker.faults.ignore(AuthPacket, times=None)
        await rig.connected()
        token = pod.rotate()
        await rig.connected(times=2)
        await asyncio.sleep(0.4)
        assert len(broker.auths) == 1
        assert len(broker.connects) == 2
        second = broker.connects[1]
        assert (second.token_sha256, second.session_present) == (fingerprint(token), True)


@in_loop
async def test_a_bad_new_token_leads_back_to_connect(pod: Pod, hurried: None, lines: Lines) -> None:
    """The broker answers AUTH with DISCONNECT 0x87; a good token then lets us in again, session kept."""
    async with pod.broker() as broker, pod.rig(broker.port) as rig:
        await rig.connected()
        pod.rotate(pod.credentials.token(audience="somebody-else"))
        await until(lambda: broker.counters.refused[0x87], "refused")
        assert lines.count("the broker closed the connection: 0x87") == 1
        pod.rotate()
        await rig.connected(times=2)
        assert broker.connects[-1].session_present


# Secrets


@in_loop
async def test_no_secret_is_logged_at_any_level(
    pod: Pod, hurried: None, lines: Lines, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """At DEBUG, through logins, refusals, rotations and reconnects: no part of a token and no password."""
    (tmp_path / "password").write_text("correct-horse-battery")
    user = {"mqtt_auth_method": "USERPASS", "mqtt_username": "factory", "mqtt_password_file": tmp_path / "password"}
    tokens = [pod.rotate(pod.credentials.token(audience="somebody-else"))]
    async with pod.broker() as broker, pod.rig(broker.port) as rig:
        await until(lambda: broker.counters.refused[0x87] == 2, "refused")
        tokens.append(pod.rotate())
        await rig.connected()
        tokens.append(pod.rotate())
        await rig.renewed(1)
        broker.cut()
        await rig.connected(times=2)
        tokens.append(pod.rotate(b"no.such.token-at-all"))
        await until(lambda: broker.counters.refused[0x87] == 3, "refused again")
    access = Passwords({"factory": "another"})
    async with EmbeddedBroker(Listener(access=access)) as broker, Rig(settings_for(broker.port, **user)) as rig:
        await refusal(rig)
    told = "\n".join([*lines.said, *capfd.readouterr()])
    secrets = ["correct-horse-battery", *(part.decode() for token in tokens for part in token.split(b".")[1:])]
    assert len(lines.said) > 10
    assert [secret for secret in secrets if secret in told] == []
