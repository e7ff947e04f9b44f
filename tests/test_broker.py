"""Facts about the life with the broker: in, back, renewed, refused; on the sandbox broker, which shows every packet.

Where minutes would pass, a test shortens a constant of edge/broker.py or edge/renewal.py and says so.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from mqtt5 import AuthPacket

import edge.broker
import edge.connection
import edge.renewal
from edge.broker import backoff
from edge.connection import BrokerRefused
from sandbox.access import Certificates, Passwords, ServiceAccountTokens
from sandbox.broker import Limits, Listener, SandboxBroker
from sandbox.credentials import Authority, ProjectedVolume
from sandbox.observe import fingerprint
from tests.support.credentials import Credentials
from tests.support.ports import free_port
from tests.support.proxy import Proxy
from tests.support.rawclient import connected, in_loop
from tests.support.rig import CLIENT_ID, Lines, Rig, hurry, secure, settings_for, until

CONNACK_FATAL = [0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x8A, 0x8C, 0x90, 0x95, 0x99, 0x9A, 0x9B, 0x9C, 0x9D]
CONNACK_RETRYABLE = [0x80, 0x88, 0x89, 0x97, 0x9F]
DISCONNECT_FATAL = [0x81, 0x82, 0x8E, 0x8F, 0x90, 0x94, 0x95, 0x99, 0x9A, 0x9B, 0x9D, 0x9E, 0xA1, 0xA2]
NAMED = "0x{:02X} (?!reason code not)[A-Z]"
"""A reason code as it is told: with its name in MQTT 5, 2.4."""

DISCONNECT_RETRYABLE = [0x80, 0x83, 0x87, 0x89, 0x8B, 0x8D, 0x93, 0x96, 0x97, 0x98, 0x9C, 0x9F, 0xA0]


@pytest.fixture(autouse=True)
def _brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """The token file and the connection are looked at twenty times a second instead of twice."""
    monkeypatch.setattr(edge.connection, "_TICK_SECONDS", 0.05)


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Back-off in hundredths of a second."""
    hurry(monkeypatch)


@pytest.fixture
def lines() -> Iterator[Lines]:
    """What is logged."""
    with Lines() as lines:
        yield lines


class Pod:
    """What a pod has at hand: a CA file and a projected token, which a test rotates as the kubelet does."""

    def __init__(self, credentials: Credentials, folder: Path) -> None:
        self.credentials = credentials
        self.volume = ProjectedVolume(folder / "tokens")
        self.token_file = folder / "tokens" / "broker-sat"
        self.ca_file = folder / "ca.crt"
        self.ca_file.write_bytes(credentials.authority.ca_pem)

    def rotate(self, token: bytes | None = None) -> bytes:
        """Put another token in force by the swap of a symbolic link; return it."""
        token = self.credentials.token() if token is None else token
        self.volume.write({"broker-sat": token + b"\n"})
        return token

    def broker(self, authority: Authority | None = None, port: int = 0) -> SandboxBroker:
        """A broker with TLS and K8S-SAT, its certificate from the pod's authority or from another."""
        tls = (authority or self.credentials.authority).server_context()
        return SandboxBroker(Listener(port=port, tls=tls, access=ServiceAccountTokens(self.credentials.issuer)))

    def rig(self, port: int, **options: object) -> Rig:
        """A client that logs in with the token."""
        return Rig(settings_for(port, **secure(self.ca_file, self.token_file, **options)))


@pytest.fixture
def pod(credentials: Credentials, tmp_path: Path) -> Pod:
    """A pod with a good token."""
    pod = Pod(credentials, tmp_path)
    pod.rotate()
    return pod


async def refusal(rig: Rig) -> BrokerRefused:
    """How a rig's life ends where the broker does not want it."""
    with pytest.raises(BrokerRefused) as refused:
        await asyncio.wait_for(rig.living, 10.0)
    return refused.value


@asynccontextmanager
async def plain(one: SandboxBroker | None = None, **options: object) -> AsyncIterator[tuple[SandboxBroker, Rig]]:
    """A broker, plain unless another is given, and a rig connected to it."""
    async with one or SandboxBroker() as broker, Rig(settings_for(broker.port, **options)) as rig:
        await rig.connected()
        yield broker, rig


# Coming in


def test_back_off_doubles_to_a_minute_with_jitter() -> None:
    """From 0.25 s each wait's ceiling is twice the last one's, up to 60 s; the wait is half of it to all of it."""
    ceilings = [min(0.25 * 2**n, 60.0) for n in range(12)]
    runs = [list(itertools.islice(backoff(), 12)) for _ in range(100)]

    assert all(c / 2 <= wait <= c for run in runs for wait, c in zip(run, ceilings, strict=True))
    assert len({run[11] for run in runs}) > 90
    assert max(run[11] for run in runs) > 55
    assert min(run[11] for run in runs) < 35


@in_loop
async def test_it_starts_before_the_broker_exists(lines: Lines) -> None:
    """Attempts go on, each with its line, until there is a broker; what has waited is then delivered."""
    broker = SandboxBroker(Listener(port=free_port()))
    async with Rig(settings_for(broker.port)) as rig:
        rig.offer("CNC-01 1", "CNC-01 2")
        await until(lambda: lines.count(f"cannot reach 127.0.0.1:{broker.port}") == 2, "two attempts")
        async with broker:
            await rig.finish()
    assert rig.ledger.acknowledged == 2


@in_loop
async def test_connections_that_do_not_last_do_not_reset_the_back_off(lines: Lines) -> None:
    """A broker that takes us in and throws us out at once is not stormed: the waits grow all the same."""
    async with plain() as (broker, rig):
        for number in range(1, 4):
            broker.cut()
            await rig.connected(times=number + 1)
    assert all(wait >= least for wait, least in zip(lines.waits, (0.12, 0.25, 0.5), strict=True))


@in_loop
async def test_back_off_starts_anew_after_a_connection_that_lasted(
    lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten seconds, here 0.2, make a connection one that lasted."""
    monkeypatch.setattr(edge.broker, "_SETTLED_SECONDS", 0.2)
    async with plain() as (broker, rig):
        for number in range(1, 4):
            await asyncio.sleep(0.25)
            broker.cut()
            await rig.connected(times=number + 1)
    assert len(lines.waits) == 3
    assert max(lines.waits) <= 0.25


@pytest.mark.parametrize("code", CONNACK_FATAL, ids=hex)
@in_loop
async def test_a_fatal_connack_ends_it(code: int) -> None:
    """One attempt, and the reason is told: the daemon exits with 3."""
    async with SandboxBroker() as broker, Rig(settings_for(broker.port)) as rig:
        broker.faults.refuse(code, times=None)
        refused = await refusal(rig)
        assert (refused.code, refused.final, len(broker.connects)) == (code, True, 1)
        assert re.search(NAMED.format(code), str(refused))


@pytest.mark.parametrize("code", CONNACK_RETRYABLE, ids=hex)
@in_loop
async def test_a_passing_connack_is_tried_again(code: int, hurried: None, lines: Lines) -> None:
    """The broker is busy twice and then is not; each refusal is told with its code."""
    async with SandboxBroker() as broker, Rig(settings_for(broker.port)) as rig:
        broker.faults.refuse(code, times=2)
        await rig.connected()
        assert lines.count(f"the broker refused the connection: 0x{code:02X}") == 2


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


# What CONNECT says, and what CONNACK asks


@in_loop
async def test_connect_says_who_we_are_and_that_the_session_is_to_last() -> None:
    """User property metriccategory, session expiry 3600 s, keep-alive 60 s, and no clean start by default."""
    async with plain() as (broker, _):
        connect = broker.connects[0]
        assert connect.user_properties == [("metriccategory", "edgemqttsim")]
        assert (connect.session_expiry_interval, connect.keep_alive, connect.clean_start) == (3600, 60, False)
        assert (connect.client_id, connect.authentication_method) == (CLIENT_ID, None)


@in_loop
async def test_a_clean_start_is_for_the_first_connection_only() -> None:
    """With MQTT_CLEAN_START a former session is given up once; a reconnect takes up its own."""
    async with plain(mqtt_clean_start=True) as (broker, rig):
        broker.cut()
        await rig.connected(times=2)
        assert [(one.clean_start, one.session_present) for one in broker.connects] == [(True, False), (False, True)]


@in_loop
async def test_a_polite_end_ends_the_session() -> None:
    """After DISCONNECT with expiry 0 the broker keeps nothing; a lost connection leaves the session there."""
    async with plain() as (broker, rig):
        broker.cut()
        await until(lambda: not broker.connected, "cut")
        assert CLIENT_ID in broker.sessions
        await rig.connected(times=2)
        await rig.finish()
        assert broker.sessions == {}


@in_loop
async def test_the_servers_keep_alive_rules() -> None:
    """A broker that wants a sign of life each second gets it from an idle client that would have said 60."""
    async with plain(SandboxBroker(limits=Limits(server_keep_alive_seconds=1))) as (broker, rig):
        await asyncio.sleep(2.5)
        assert broker.counters.disconnected == {}
        assert rig.broker.facts().connects == 1


@in_loop
async def test_a_maximum_qos_of_0_is_obeyed() -> None:
    """Messages go out at QoS 0 and count as acknowledged once written."""
    async with plain(SandboxBroker(limits=Limits(maximum_qos=0))) as (broker, rig):
        seen = broker.subscribe("#")
        rig.offer("CNC-01 1", "CNC-01 2")
        await rig.finish()
        assert [one.qos for one in await seen.wait(2)] == [0, 0]
        assert broker.counters.disconnected == {}


@in_loop
async def test_a_broker_that_reads_slowly_holds_qos_0_back_too() -> None:
    """Without acknowledgements only the socket tells: what it does not take stays in the queue, not in memory twice."""
    async with plain(mqtt_qos=0) as (broker, rig):
        broker.stall()
        rig.offer(*(f"CNC-01 {number}" for number in range(1, 20_001)), size=2_000)
        await until(lambda: rig.ledger.acknowledged > 100, "some written")
        await asyncio.sleep(0.2)
        assert rig.ledger.queued > 10_000
        broker.release()
        await rig.finish()
        assert broker.counters.publishes[CLIENT_ID] == rig.ledger.acknowledged == 20_000


@in_loop
async def test_a_maximum_packet_size_is_obeyed() -> None:
    """A message that would be too large is dropped and counted; the connection and the others go on."""
    async with plain(SandboxBroker(limits=Limits(maximum_packet_size=1000))) as (broker, rig):
        seen = broker.subscribe("#")
        rig.offer("CNC-01 1")
        rig.offer("CNC-01 2", size=1000)
        rig.offer("CNC-01 3")
        await rig.finish()
        assert [one.payload for one in seen.messages] == [b'{"row":1}', b'{"row":3}']
        assert rig.ledger.dropped == {"too_large": 1}
        assert broker.counters.disconnected == {}


@in_loop
async def test_a_broker_that_takes_the_connection_and_says_nothing_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, lines: Lines
) -> None:
    """Without CONNACK an attempt is over after 30 s, here 0.2."""
    monkeypatch.setattr(edge.connection, "_ANSWER_SECONDS", 0.2)
    async with SandboxBroker() as broker:
        broker.stall()
        async with Rig(settings_for(broker.port)) as rig:
            await until(lambda: lines.count("did not answer within"), "an attempt is over")
            broker.release()
            await rig.connected()


# Who we are, and who they are


@in_loop
async def test_a_name_and_a_password_from_a_file_let_us_in(tmp_path: Path, lines: Lines) -> None:
    """USERPASS; the line break at the file's end is no part of the password."""
    (tmp_path / "password").write_text("correct horse\n")
    broker = SandboxBroker(Listener(access=Passwords({"factory": "correct horse"})))
    user = {"mqtt_auth_method": "USERPASS", "mqtt_username": "factory", "mqtt_password_file": tmp_path / "password"}
    async with plain(broker, **user):
        assert broker.connects[0].username == "factory"
        assert lines.count("in the clear") == 1


@in_loop
async def test_a_wrong_password_ends_it(tmp_path: Path) -> None:
    """CONNACK 0x86 is final, and the text names the two options to look at."""
    (tmp_path / "password").write_text("wrong")
    user = {"mqtt_auth_method": "USERPASS", "mqtt_username": "factory", "mqtt_password_file": tmp_path / "password"}
    access = Passwords({"factory": "correct horse"})
    async with SandboxBroker(Listener(access=access)) as broker, Rig(settings_for(broker.port, **user)) as rig:
        assert "MQTT_USERNAME, MQTT_PASSWORD_FILE" in str(await refusal(rig))


@in_loop
async def test_a_password_may_be_any_bytes(tmp_path: Path) -> None:
    """What is no UTF-8 is sent as it is (MQTT 5, 3.1.3.6): here it is wrong, and that is all."""
    (tmp_path / "password").write_bytes(b"\xff\xfe")
    user = {"mqtt_auth_method": "USERPASS", "mqtt_username": "factory", "mqtt_password_file": tmp_path / "password"}
    access = Passwords({"factory": "correct horse"})
    async with SandboxBroker(Listener(access=access)) as broker, Rig(settings_for(broker.port, **user)) as rig:
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
    async with plain(SandboxBroker(Listener(tls=tls, access=Certificates())), **certificate) as (broker, _):
        assert broker.connects[0].reason_code == 0


@in_loop
async def test_an_insecure_connection_is_warned_of_each_time(pod: Pod, lines: Lines) -> None:
    """MQTT_TLS_INSECURE takes a broker of unknown authority, and says at every connect what that means."""
    async with pod.broker(Authority()) as broker, pod.rig(broker.port, mqtt_tls_insecure=True) as rig:
        await rig.connected()
        broker.cut()
        await rig.connected(times=2)
        assert lines.count("MQTT_TLS_INSECURE: the broker is not verified") == 2


@pytest.mark.parametrize(("name", "ends"), [("broker.example", "connected"), ("other.example", "not who we trust")])
@in_loop
async def test_the_certificate_must_bear_the_name_given(
    name: str, ends: str, credentials: Credentials, lines: Lines
) -> None:
    """MQTT_TLS_SERVER_NAME is what is looked for, instead of the name that is connected to; a mismatch names it."""
    tls = credentials.authority.server_context(["broker.example"])
    options = {"mqtt_tls": True, "mqtt_ca_file": credentials.ca_file, "mqtt_tls_server_name": name}
    async with SandboxBroker(Listener(tls=tls)) as broker, Rig(settings_for(broker.port, **options)):
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


# Being sent away


@pytest.mark.parametrize("code", DISCONNECT_FATAL, ids=hex)
@in_loop
async def test_a_fatal_disconnect_ends_it(code: int) -> None:
    """Coming back would end the same way: the daemon exits with 3 and the reason."""
    async with plain() as (broker, rig):
        broker.disconnect(code)
        refused = await refusal(rig)
        assert (refused.code, len(broker.connects)) == (code, 1)
        assert re.search(NAMED.format(code), str(refused))


@pytest.mark.parametrize("code", DISCONNECT_RETRYABLE, ids=hex)
@in_loop
async def test_after_a_passing_disconnect_it_comes_back(code: int, hurried: None, lines: Lines) -> None:
    """The reason is told, and the next connection takes up the session."""
    async with plain() as (broker, rig):
        broker.disconnect(code)
        await rig.connected(times=2)
        assert broker.connects[1].session_present
        assert re.search(f"the broker closed the connection: {NAMED.format(code)}", "\n".join(lines.said))


@in_loop
async def test_a_second_client_of_the_same_name_wins() -> None:
    """Session taken over (0x8E) is final: two that take turns would be at it for ever."""
    async with plain() as (broker, rig), connected(broker.port, CLIENT_ID):
        refused = await refusal(rig)
        assert refused.code == 0x8E
        assert "MQTT_CLIENT_ID" in str(refused)


@in_loop
async def test_a_connection_that_owes_acknowledgements_is_dropped(lines: Lines) -> None:
    """No acknowledgement for 1.5 keep-alives, though pings are answered: dialled anew, and the message arrives."""
    async with plain(mqtt_keep_alive=1) as (broker, rig):
        broker.faults.withhold()
        loop = asyncio.get_running_loop()
        began = loop.time()
        rig.offer("CNC-01 1")
        await rig.connected(times=2)
        assert 1.5 <= loop.time() - began <= 4.0
        assert lines.count("dropped an open connection: no acknowledgement for 1.5 s; next attempt") == 1
        await rig.finish()
        assert rig.ledger.acknowledged == 1


@pytest.mark.parametrize("rows", [[], ["CNC-01 1"]], ids=["idle", "busy"])
@in_loop
async def test_a_dead_link_with_tls_is_left_without_good_bye(rows: list[str], pod: Pod, lines: Lines) -> None:
    """A peer that is gone answers no ping, no message and no end of TLS; still it is soon dialled anew."""
    async with pod.broker() as broker:
        with Proxy(broker.port) as proxy:
            async with pod.rig(proxy.port, mqtt_keep_alive=1) as rig:
                await rig.connected()
                proxy.stall()
                rig.offer(*rows)
                await until(lambda: proxy.connections > 1, "a new dial", 6.0)
                assert lines.count("dropped an open connection: no answer to a ping for 1 s") == 1 or rows
                proxy.restore()
                await rig.connected(times=2)
                await rig.finish()


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
    monkeypatch.setattr(edge.renewal, "_ANSWER_SECONDS", 0.2)
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
    monkeypatch.setattr(edge.renewal, "_ANSWER_SECONDS", 0.2)
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
    async with SandboxBroker(Listener(access=access)) as broker, Rig(settings_for(broker.port, **user)) as rig:
        await refusal(rig)
    told = "\n".join([*lines.said, *capfd.readouterr()])
    secrets = ["correct-horse-battery", *(part.decode() for token in tokens for part in token.split(b".")[1:])]
    assert len(lines.said) > 10
    assert [secret for secret in secrets if secret in told] == []
