"""Preflight's TLS: whom we trust, who answers, and why the two do not meet."""

from __future__ import annotations

import asyncio
import math
import ssl
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final, NamedTuple

from cli.preflight.findings import Case, ExitCode, Failure, Finding, get, moment, ok, some, warn
from cli.preflight.session import speaks_plain_mqtt
from edge.mqtt.auth.credentials import CredentialsUnavailable, Reader, tls_context
from edge.mqtt.dialing import Dialer
from edge.redaction import printable
from edge.settings.loader import AuthMethod, Settings

Certificate = Mapping[str, Any]
"""A certificate as `ssl.SSLSocket.getpeercert` gives it."""

_BUNDLE = get("configmap azure-iot-operations-aio-ca-trust-bundle")
_ALERT_SECONDS = 0.2
_SOON_SECONDS = 7 * 86_400.0
_NO_CHECK_TIME: Final = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME of OpenSSL: take certificates of any date."""

_NOT_YET_VALID, _EXPIRED, _WRONG_NAME, _WRONG_ADDRESS = 9, 10, 62, 64
"""X509_V_ERR_* of OpenSSL; nearly all others say that nobody we trust has signed."""


class Peer(NamedTuple):
    """Who answered: TLS version, certificate ({} where it was not verified), and its bytes (DER)."""

    version: str
    certificate: Certificate
    der: bytes


async def check_ca_file(case: Case) -> list[Finding]:
    """Whom we trust: the CA file, or the system."""
    settings = case.settings
    if not settings.mqtt_tls:
        return [warn("MQTT_TLS=false: nothing is encrypted, and nobody is verified")]
    if settings.mqtt_tls_insecure:
        return [warn("MQTT_TLS_INSECURE: the broker is not verified; whoever answers gets our credentials")]
    if settings.mqtt_ca_file is None:
        return [warn("MQTT_CA_FILE is not set: the authorities of the system are trusted")]
    trusted = await _trusted(case)
    if not trusted:
        return [warn(f"{settings.mqtt_ca_file} holds no authority's certificate, only others")]
    held = some([_name(each, "subject") for each in trusted], 3)
    return [ok(f"{settings.mqtt_ca_file} trusts {held}"), *_aging(case, trusted, "this authority")]


async def check_tls(case: Case) -> list[Finding]:
    """The handshake: chain, date and name of the broker's certificate, as the daemon checks them."""
    settings = case.settings
    context = await _context(case)
    if context is None:
        # Before credentials are sent, in the clear, to a port that cannot take them.
        if await _speaks_tls(case):
            raise _plain_to_tls(case)
        return [ok(f"{case.where} does not speak TLS, and neither do we")]
    try:
        peer = await _shake_hands(case, context)
    except ssl.SSLCertVerificationError as error:
        raise await _not_trusted(case, error) from None
    except OSError as error:
        raise await _no_handshake(case, error) from None
    if settings.mqtt_tls_insecure:
        return [ok(f"{peer.version}, not verified")]
    shown = ok(f"{peer.version}; {_in_words(peer.certificate)}, good for {settings.tls_server_name}")
    return [shown, *_aging(case, [peer.certificate], "the broker's certificate")]


# whom we trust


async def _trusted(case: Case) -> list[Certificate]:
    """The authorities in the CA file."""
    anonymous = case.settings.model_copy(update={"mqtt_auth_method": AuthMethod.NONE})
    try:
        context = await _read(case, anonymous)
    except CredentialsUnavailable as error:
        raise Failure(
            ExitCode.CA_FILE,
            str(error),
            "In the cluster, mount the key ca.crt of the ConfigMap that has it, as deployment.yaml does:",
            _BUNDLE,
            "It exists in that namespace only: into another one it has to be copied.",
        ) from None
    return list(context.get_ca_certs()) if context else []


async def _context(case: Case) -> ssl.SSLContext | None:
    """TLS as the daemon does it."""
    try:
        return await _read(case, case.settings)
    except CredentialsUnavailable as error:
        raise Failure(
            ExitCode.CREDENTIALS,
            str(error),
            "MQTT_CERT_FILE and MQTT_KEY_FILE must be a pair in PEM form, readable for this user.",
        ) from None


async def _read(case: Case, settings: Settings) -> ssl.SSLContext | None:
    return await Reader(partial(tls_context, settings), case.timeout_seconds).now()


# who answers


async def _shake_hands(case: Case, context: ssl.SSLContext) -> Peer:
    """One TLS handshake and no more. OSError, of which SSLError is one, where it does not come about."""
    settings = case.settings
    async with asyncio.timeout(case.timeout_seconds):
        sock = await Dialer(settings.mqtt_broker, settings.mqtt_port).connect()
        reader, writer = await asyncio.open_connection(sock=sock, ssl=context, server_hostname=settings.tls_server_name)
    await _hear_an_alert(reader)
    secure = writer.get_extra_info("ssl_object")
    peer = Peer(secure.version(), secure.getpeercert() or {}, secure.getpeercert(binary_form=True) or b"")
    writer.transport.abort()
    return peer


async def _hear_an_alert(reader: asyncio.StreamReader) -> None:
    """With TLS 1.3 the peer looks at our certificate only after the handshake, and may end it then (RFC 8446, 4.4.2.4).

    So nothing is sent for a moment: what we sent would reset the connection, and the alert might be lost with it.
    """
    try:
        async with asyncio.timeout(_ALERT_SECONDS):
            await reader.read(1)
    except TimeoutError:
        return
    except ssl.SSLError as error:
        raise Failure(
            ExitCode.CREDENTIALS,
            f"the broker misses our TLS certificate, or does not like it: {error.reason}",
            "Set MQTT_AUTH_METHOD=X509 with a certificate that the broker's client CA has signed, or another port.",
        ) from None


def _credulous() -> ssl.SSLContext:
    """A context for looking at a peer; nothing is ever sent through it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def _presented(case: Case) -> Certificate:
    """The certificate that the peer shows, whatever is wrong with it; {} where it cannot be had.

    Python decodes only what it has verified. So the certificate is fetched first, and then trusted by itself.
    """
    try:
        der = (await _shake_hands(case, _credulous())).der
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(cadata=der)
        context.verify_flags = ssl.VerifyFlags(ssl.VERIFY_X509_PARTIAL_CHAIN | _NO_CHECK_TIME)
        return (await _shake_hands(case, context)).certificate
    except OSError:
        return {}


# why the two do not meet


async def _not_trusted(case: Case, error: ssl.SSLCertVerificationError) -> Failure:
    shown = await _presented(case)
    found = f" ({_in_words(shown)})" if shown else ""
    what, *fix = _REASONS.get(error.verify_code, _unknown_authority)(case, shown)
    return Failure(ExitCode.TLS, f"{what}{found}; OpenSSL says: {error.verify_message.rstrip('.')}", *fix)


def _wrong_name(case: Case, shown: Certificate) -> tuple[str, ...]:
    name = case.settings.tls_server_name
    better = f" such as {names[0]}" if (names := list(_names(shown))) else ""
    return (
        f"wrong name: the broker's certificate is not for {name}",
        f"Set MQTT_TLS_SERVER_NAME to a name that is in the certificate{better}, or connect to the broker by it.",
    )


def _out_of_date(case: Case, shown: Certificate) -> tuple[str, ...]:
    until = ssl.cert_time_to_seconds(shown["notAfter"]) if shown else math.inf
    if until > case.wall_clock():
        what = "expired: the certificate of an authority above the broker's, perhaps the one in the CA file"
    else:
        what = f"expired: the broker's certificate was valid until {moment(until)}"
    return (
        what,
        "cert-manager should have renewed it: kubectl get certificates -A",
        "kubectl logs -n cert-manager deploy/cert-manager --tail=50",
        "If that date is still to come, this machine's clock is wrong: compare `date -u`.",
    )


def _too_early(_case: Case, shown: Certificate) -> tuple[str, ...]:
    since = f"; the broker's own is valid from {moment(ssl.cert_time_to_seconds(shown['notBefore']))}" if shown else ""
    return (
        f"not yet valid: a certificate of the broker's chain{since}",
        "If that date is past, this machine's clock is behind: compare `date -u` here and on the node.",
    )


def _unknown_authority(case: Case, shown: Certificate) -> tuple[str, ...]:
    trust = case.settings.mqtt_ca_file or "the system's authorities"
    signed = f" is signed by {_name(shown, 'issuer')}, which" if shown else ""
    return (
        f"unknown CA: the broker's certificate{signed} is not trusted by {trust}",
        "Set MQTT_CA_FILE to the CA bundle of this very broker; a copy may be older than a renewal of the CA.",
        f"In the cluster it is: {_BUNDLE} -o yaml",
    )


_REASONS: Final = {
    _NOT_YET_VALID: _too_early,
    _EXPIRED: _out_of_date,
    _WRONG_NAME: _wrong_name,
    _WRONG_ADDRESS: _wrong_name,
}


async def _no_handshake(case: Case, error: OSError) -> Failure:
    """No certificate was looked at: is this a port for TLS at all?"""
    if await speaks_plain_mqtt(case):
        return Failure(
            ExitCode.TLS,
            f"{case.where} speaks MQTT without TLS, and MQTT_TLS is true",
            "Set MQTT_PORT to the broker's TLS port (18883 in Azure IoT Operations).",
            "For a broker on your own machine: MQTT_TLS=false. Our token would cross any other network in the clear.",
        )
    if isinstance(error, ssl.SSLError) and "ALERT" in (error.reason or ""):
        return Failure(
            ExitCode.TLS,
            f"{case.where} speaks TLS, but ends the handshake: {error.reason}",
            "It may ask for a client certificate (MQTT_AUTH_METHOD=X509), or for another version of TLS.",
        )
    why = "no answer in time" if isinstance(error, TimeoutError) else getattr(error, "reason", None) or error.strerror
    return Failure(
        ExitCode.TLS,
        f"{case.where} takes connections, but speaks neither TLS nor MQTT: {why or error}",
        f"Something else listens there. Compare MQTT_BROKER and MQTT_PORT with: {get('service')}",
    )


async def _speaks_tls(case: Case) -> bool:
    """Whether the port would do a TLS handshake, with whomever."""
    try:
        await _shake_hands(case, _credulous())
    except OSError as error:
        # An alert is an answer in TLS, too.
        return isinstance(error, ssl.SSLError) and "ALERT" in (error.reason or "")
    return True


def _plain_to_tls(case: Case) -> Failure:
    """We speak plain MQTT to a port that speaks TLS."""
    return Failure(
        ExitCode.TLS,
        f"{case.where} speaks TLS, and MQTT_TLS is false",
        "Leave MQTT_TLS out, so that it is true, and set MQTT_CA_FILE; or use the broker's plain port, if it has one.",
    )


# certificates in words


def _in_words(certificate: Certificate) -> str:
    until = moment(ssl.cert_time_to_seconds(certificate["notAfter"]))
    names = some(list(_names(certificate))) or _name(certificate, "subject")
    return f"a certificate for {names}, signed by {_name(certificate, 'issuer')}, valid until {until}"


def _names(certificate: Certificate) -> Iterator[str]:
    """The names that a client may look for (RFC 6125), addresses among them."""
    yield from (printable(name) for _, name in certificate.get("subjectAltName", ()))


def _name(certificate: Certificate, whose: str) -> str:
    """The common name of `subject` or `issuer`, else all of the name."""
    pairs = [pair for parts in certificate.get(whose, ()) for pair in parts]
    name = dict(pairs).get("commonName") or ", ".join("=".join(pair) for pair in pairs)
    return f'"{printable(name)}"'


def _aging(case: Case, certificates: list[Certificate], whose: str) -> Iterator[Finding]:
    for each in certificates:
        until = ssl.cert_time_to_seconds(each["notAfter"])
        if until - case.wall_clock() < _SOON_SECONDS:
            yield warn(f"{whose}, {_name(each, 'subject')}, is valid only until {moment(until)}")
