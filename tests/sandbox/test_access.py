"""The embedded broker's credentials, and who it lets in with which reason code."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography import x509
from mqtt5 import AuthPacket, AuthReasonCode, DisconnectPacket, PubAckPacket

from sandbox.access import Certificates, Passwords, ServiceAccountTokens
from sandbox.broker import EmbeddedBroker, Listener
from sandbox.credentials import Authority, ProjectedVolume, TokenIssuer, write_key_pair
from tests.support.brokers.rawclient import RawClient, connected, dialled, in_loop, message

AUTHORITY = Authority()
ISSUER = TokenIssuer()


def issuer_at(fraction: float) -> TokenIssuer:
    """An issuer whose clock shows this fraction of a second now: tokens end at whole seconds."""
    offset = 1_000_000_000 + fraction - time.monotonic()
    return TokenIssuer(clock=lambda: time.monotonic() + offset)


def tokens_only(issuer: TokenIssuer = ISSUER) -> EmbeddedBroker:
    """A broker that wants a K8S-SAT token, without TLS."""
    return EmbeddedBroker(Listener(access=ServiceAccountTokens(issuer)))


def sat(token: str, method: str = "K8S-SAT") -> dict[str, Any]:
    """The two CONNECT properties of enhanced authentication."""
    return {"authentication_method": method, "authentication_data": token.encode()}


def reauthenticate(token: str, method: str = "K8S-SAT") -> AuthPacket:
    """AUTH 0x19."""
    return AuthPacket(reason_code=AuthReasonCode.RE_AUTHENTICATE, **sat(token, method))


def strict(ca: Authority = AUTHORITY) -> ssl.SSLContext:
    """A client's context as newer Pythons make it: RFC 5280 to the letter."""
    context = ssl.create_default_context(cadata=ca.ca_pem.decode())
    context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def test_a_token_looks_like_a_service_accounts() -> None:
    """Claims, header and size are those of a Kubernetes token."""
    token = ISSUER.token(lifetime_seconds=600, now=1_000.7)
    claims = jwt.decode(token, options={"verify_signature": False})
    assert {name: claims[name] for name in ("aud", "iat", "nbf", "exp")} == {
        "aud": ["aio-internal"],
        "iat": 1000,
        "nbf": 1000,
        "exp": 1600,
    }
    assert claims["sub"] == "system:serviceaccount:azure-iot-operations:mqtt-client"
    assert claims["kubernetes.io"]["serviceaccount"]["name"] == "mqtt-client"
    assert claims["kubernetes.io"]["namespace"] == "azure-iot-operations"
    assert jwt.get_unverified_header(token)["alg"] == "RS256"
    assert jwt.get_unverified_header(token)["kid"]
    assert 800 < len(token) < 1_300


def test_a_token_holds_until_its_expiry() -> None:
    """The issuer's clock decides: good up to the last second before `exp`, not before `nbf`."""
    now = [1_000.0]
    issuer = TokenIssuer(clock=lambda: now[0])
    token = issuer.token(lifetime_seconds=10)
    for seconds, good in ((999.9, False), (1000.0, True), (1009.9, True), (1010.0, False)):
        now[0] = seconds
        if good:
            assert issuer.verify(token)["exp"] == 1010
        else:
            with pytest.raises(jwt.InvalidTokenError):
                issuer.verify(token)


def test_the_public_key_verifies_a_token_elsewhere() -> None:
    """Another verifier needs the PEM only."""
    claims = jwt.decode(ISSUER.token("x"), ISSUER.public_pem.decode(), algorithms=["RS256"], audience="x")
    assert claims["iss"] == ISSUER.issuer


def test_a_token_file_is_replaced_in_one_step(tmp_path: Path) -> None:
    """The file holds the bare token, its owner alone reads it, and nothing else is left behind."""
    path = tmp_path / "broker-sat"
    assert ISSUER.write_token(path, "old") == "old"
    token = ISSUER.write_token(path)
    assert path.read_text() == token
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_projected_volume_changes_by_one_rename(tmp_path: Path) -> None:
    """Files are links to `..data`, a link itself; a new content is a new folder, and the old one goes."""
    volume = ProjectedVolume(tmp_path / "tokens")
    volume.write({"broker-sat": b"one", "ca.crt": b"ca"})
    first = (volume.directory / "..data").readlink()
    volume.write({"broker-sat": b"two"})
    assert (volume.directory / "broker-sat").read_bytes() == b"two"
    assert (volume.directory / "broker-sat").readlink() == Path("..data/broker-sat")
    second = (volume.directory / "..data").readlink()
    assert first != second
    assert {path.name for path in volume.directory.iterdir()} == {"broker-sat", "..data", second.name}


def test_certificates_carry_the_extensions_of_rfc_5280() -> None:
    """CA and leaf say what they may be used for, and by whom they were signed."""
    ca = x509.load_pem_x509_certificate(AUTHORITY.ca_pem)
    leaf = x509.load_pem_x509_certificate(AUTHORITY.server_certificate(["broker.test", "10.0.0.1"]).certificate_pem)
    assert ca.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    signer = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    assert signer == ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost", "broker.test"]
    assert [str(ip) for ip in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1", "10.0.0.1"]


@in_loop
async def test_a_token_over_tls_is_let_in() -> None:
    """The way into a cluster: strict TLS, then K8S-SAT, which CONNACK names. Of the token only its hash is kept."""
    token = ISSUER.token()
    listener = Listener(tls=AUTHORITY.server_context(), access=ServiceAccountTokens(ISSUER))
    async with EmbeddedBroker(listener) as broker:
        properties = [("metriccategory", "test")]
        async with connected(broker.port, tls=strict(), user_properties=properties, **sat(token)) as (_, connack):
            assert (connack.reason_code, connack.authentication_method) == (0, "K8S-SAT")
        (seen,) = broker.connects
        assert (seen.client_id, seen.authentication_method, seen.reason_code) == ("raw", "K8S-SAT", 0)
        assert seen.user_properties == properties
        assert seen.token_sha256 == hashlib.sha256(token.encode()).hexdigest()
        assert token not in repr(broker.connects)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (sat(ISSUER.token(audience="other")), 0x87),
        (sat(ISSUER.token(lifetime_seconds=-1)), 0x87),
        (sat(TokenIssuer().token()), 0x87),
        (sat("garbage"), 0x87),
        (sat(jwt.encode({"aud": "aio-internal"}, "k" * 32, algorithm="HS256")), 0x87),
        ({"authentication_method": "K8S-SAT"}, 0x87),
        ({}, 0x87),
        ({"username": "K8S-SAT", "password": ISSUER.token().encode()}, 0x87),
        (sat(ISSUER.token(), "SCRAM"), 0x8C),
    ],
    ids=["audience", "expired", "key", "garbage", "HS256", "no data", "no method", "password", "method"],
)
@in_loop
async def test_a_bad_token_is_refused_with_a_code(options: dict[str, Any], code: int) -> None:
    """Whatever is wrong with the token is 0x87, another method is 0x8C; then the connection closes."""
    async with tokens_only() as broker, connected(broker.port, **options) as (client, connack):
        assert connack.reason_code == code
        assert await client.ended() == "closed"
        assert broker.counters.refused == {code: 1}
        assert broker.connects[0].reason_code == code


@in_loop
async def test_an_expired_token_ends_the_connection_without_a_word() -> None:
    """At `exp` the broker closes and sends no DISCONNECT, as Azure IoT Operations does."""
    issuer = issuer_at(0.6)
    token = issuer.token(lifetime_seconds=1)
    async with tokens_only(issuer) as broker, connected(broker.port, **sat(token)) as (client, _):
        assert await client.ended() == "closed"
        assert 1_000_000_001 <= issuer.clock() < 1_000_000_004
        assert broker.counters.expiries == 1
        assert broker.counters.disconnected == {}


@in_loop
async def test_a_new_token_extends_the_connection() -> None:
    """AUTH 0x19 with a good token is answered 0x00, and the connection outlives the first token."""
    issuer = issuer_at(0.6)
    first, second = issuer.token(lifetime_seconds=1), issuer.token(lifetime_seconds=600)
    async with tokens_only(issuer) as broker, connected(broker.port, **sat(first)) as (client, _):
        client.send(reauthenticate(second))
        answer = await client.receive(AuthPacket)
        assert (answer.reason_code, answer.authentication_method) == (0, "K8S-SAT")
        assert await client.silent(0.5)
        assert broker.counters.reauthentications == 1
        assert [auth.token_sha256 for auth in broker.auths] == [hashlib.sha256(second.encode()).hexdigest()]


@in_loop
async def test_a_shorter_token_shortens_the_connection() -> None:
    """The end of the newest token counts, not the latest end."""
    issuer = issuer_at(0.6)
    async with tokens_only(issuer) as broker, connected(broker.port, **sat(issuer.token())) as (client, _):
        client.send(reauthenticate(issuer.token(lifetime_seconds=1)))
        await client.receive(AuthPacket)
        assert await client.ended() == "closed"


@in_loop
async def test_an_expired_connection_that_lingers_does_not_disturb_the_next() -> None:
    """A client may be back before the end of its TLS connection is through; it then keeps its session."""
    issuer = issuer_at(0.2)
    listener = Listener(tls=AUTHORITY.server_context(), access=ServiceAccountTokens(issuer))
    old, new = issuer.token(lifetime_seconds=1), issuer.token()
    kept: dict[str, Any] = {"tls": strict(), "session_expiry_interval": 60}
    async with EmbeddedBroker(listener) as broker, connected(broker.port, **kept, **sat(old)) as (lingering, _):
        lingering.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.sleep(0.9)
        async with connected(broker.port, **kept, **sat(new)) as (_, connack):
            assert connack.session_present
            await asyncio.sleep(1.1)
            assert broker.connected == ["raw"]
        lingering.writer.transport.resume_reading()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("packet", "code"),
    [
        (reauthenticate("garbage"), 0x87),
        (reauthenticate(ISSUER.token(), "SCRAM"), 0x82),
        (AuthPacket(reason_code=AuthReasonCode.CONTINUE_AUTHENTICATION, **sat(ISSUER.token())), 0x82),
    ],
    ids=["bad token", "other method", "not asked to continue"],
)
@in_loop
async def test_a_bad_reauthentication_ends_the_connection(packet: AuthPacket, code: int) -> None:
    """DISCONNECT says why (MQTT 5, 4.12.1)."""
    async with tokens_only() as broker, connected(broker.port, **sat(ISSUER.token())) as (client, _):
        client.send(packet)
        assert (await client.receive(DisconnectPacket)).reason_code == code
        assert await client.ended() == "closed"


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"username": "ann", "password": b"secret"}, 0),
        ({"username": "ann", "password": b"wrong"}, 0x86),
        ({"username": "bob", "password": b""}, 0x86),
        ({}, 0x86),
        (sat("token"), 0x8C),
    ],
)
@in_loop
async def test_a_password_is_checked(options: dict[str, Any], code: int) -> None:
    """The right password of a known name, or 0x86."""
    listener = Listener(access=Passwords({"ann": "secret"}))
    async with EmbeddedBroker(listener) as broker, connected(broker.port, **options) as (_, connack):
        assert connack.reason_code == code


@in_loop
async def test_a_client_certificate_is_required(tmp_path: Path) -> None:
    """Without a certificate of the client CA there is no MQTT at all."""
    tls = AUTHORITY.server_context(client_ca_pem=AUTHORITY.ca_pem)
    async with EmbeddedBroker(Listener(tls=tls, access=Certificates())) as broker:
        ours = strict()
        ours.load_cert_chain(*write_key_pair(tmp_path, AUTHORITY.client_certificate("factory")))
        async with connected(broker.port, tls=ours) as (_, connack):
            assert connack.reason_code == 0
        with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
            async with connected(broker.port, tls=strict()):
                pass
        assert broker.counters.handshake_failures == 1


@in_loop
async def test_a_certificate_listener_without_tls_admits_nobody() -> None:
    """0x87 where there is no certificate to look at."""
    async with EmbeddedBroker(Listener(access=Certificates())) as broker, connected(broker.port) as (_, connack):
        assert connack.reason_code == 0x87


@in_loop
async def test_a_stranger_to_the_ca_does_not_get_through() -> None:
    """A client that trusts another CA refuses the broker; the broker counts that and goes on."""
    listener = Listener(tls=AUTHORITY.server_context())
    async with EmbeddedBroker(listener) as broker:
        with pytest.raises(ssl.SSLCertVerificationError):
            async with dialled(broker.port, strict(Authority())):
                pass
        async with connected(broker.port, tls=strict()) as (client, _):
            client.send(message(1))
            await client.receive(PubAckPacket)
        assert broker.counters.handshake_failures == 1


@in_loop
async def test_records_of_tls_that_come_together_are_read_one_after_the_other() -> None:
    """Three writes are three records, which the broker finds in one read of its socket."""
    async with (
        EmbeddedBroker(Listener(tls=AUTHORITY.server_context())) as broker,
        connected(broker.port, tls=strict()) as (client, _),
    ):
        for packet_id in (1, 2, 3):
            client.send(message(packet_id, payload=bytes((packet_id,)) * 100))
        assert [(await client.receive(PubAckPacket)).packet_id for _ in range(3)] == [1, 2, 3]


@in_loop
async def test_each_listener_has_its_own_rules() -> None:
    """One broker: TLS with tokens on one port, anybody on another, and messages pass between them."""
    tls = Listener(tls=AUTHORITY.server_context(), access=ServiceAccountTokens(ISSUER))
    async with EmbeddedBroker(tls, Listener()) as broker:
        recorder = broker.subscribe("#")
        secure, plain = broker.ports
        async with (
            connected(secure, "a", tls=strict(), **sat(ISSUER.token())) as (one, _),
            connected(plain, "b") as (
                other,
                connack,
            ),
        ):
            assert connack.reason_code == 0
            await publish_from(one)
            await publish_from(other)
        assert [seen.client_id for seen in recorder.messages] == ["a", "b"]


async def publish_from(client: RawClient) -> None:
    """Publish, and wait for PUBACK 0."""
    client.send(message(1))
    assert (await client.receive(PubAckPacket)).reason_code == 0


@in_loop
async def test_a_client_in_its_handshake_does_not_hold_up_a_kill() -> None:
    """A TLS client that never says hello is dropped with the rest."""
    broker = EmbeddedBroker(Listener(tls=AUTHORITY.server_context()))
    await broker.start()
    async with dialled(broker.port) as client:
        await asyncio.sleep(0.02)
        async with asyncio.timeout(5):
            await broker.kill()
        assert await client.ended() in {"closed", "reset"}
