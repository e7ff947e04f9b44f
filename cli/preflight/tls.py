"""The steps CA file and TLS: which authorities are trusted, and whether the broker's certificate passes."""

from __future__ import annotations

import asyncio
import math
import ssl
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final, NamedTuple

from cli.options.preflight import ExitCode
from cli.preflight.findings import (
    CheckContext,
    Failure,
    Finding,
    abbreviated,
    kubectl_get,
    ok,
    utc_text,
    warn,
)
from cli.preflight.session import answers_plain_mqtt
from edge.mqtt.auth.credentials import CredentialsUnavailable, Reader, tls_context
from edge.mqtt.dialing import Dialer
from edge.redaction import from_peer
from edge.settings.loader import AuthMethod, Settings

Certificate = Mapping[str, Any]
"""A certificate as `ssl.SSLSocket.getpeercert` gives it."""

_BUNDLE = kubectl_get("configmap azure-iot-operations-aio-ca-trust-bundle")
_ALERT_SECONDS = 0.2
_EXPIRY_WARNING_SECONDS = 7 * 86_400.0
_NO_CHECK_TIME: Final = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME of OpenSSL: accept certificates of any date."""

_NOT_YET_VALID, _EXPIRED, _WRONG_NAME, _WRONG_ADDRESS = 9, 10, 62, 64
"""X509_V_ERR_* of OpenSSL; nearly all others mean that no trusted authority has signed."""


class Handshake(NamedTuple):
    """A completed TLS handshake: TLS version, certificate ({} if it was not verified), and its bytes (DER)."""

    version: str
    certificate: Certificate
    der: bytes


async def check_ca_file(context: CheckContext) -> list[Finding]:
    """Report the trusted authorities: those of the CA file, or those of the system."""
    settings = context.settings
    if not settings.mqtt_tls:
        return [warn("MQTT_TLS=false: the connection is not encrypted, and the broker is not verified")]
    if settings.mqtt_tls_insecure:
        return [warn("MQTT_TLS_INSECURE: the broker is not verified; any server that answers gets the credentials")]
    if settings.mqtt_ca_file is None:
        return [warn("MQTT_CA_FILE is not set: the authorities of the system are trusted")]
    trusted = await _trusted_authorities(context)
    if not trusted:
        return [warn(f"{settings.mqtt_ca_file} contains no certificate of an authority, only others")]
    names = abbreviated([_name(each, "subject") for each in trusted], 3)
    return [ok(f"{settings.mqtt_ca_file} trusts {names}"), *_expiry_warnings(context, trusted, "this authority")]


async def check_tls(context: CheckContext) -> list[Finding]:
    """Do the handshake with the simulator's own checks of chain, date and name, and report the certificate."""
    settings = context.settings
    tls = await _client_context(context)
    if tls is None:
        # Checked first, so that no credentials are sent unencrypted to a port that expects TLS.
        if await _answers_tls(context):
            raise _tls_expected(context)
        return [ok(f"{context.where} does not use TLS, as MQTT_TLS=false expects")]
    try:
        done = await _handshake(context, tls)
    except ssl.SSLCertVerificationError as error:
        raise await _verification_failure(context, error) from None
    except OSError as error:
        raise await _handshake_failure(context, error) from None
    if settings.mqtt_tls_insecure:
        return [ok(f"{done.version}, not verified")]
    shown = ok(f"{done.version}; {_described(done.certificate)}, good for {settings.tls_server_name}")
    return [shown, *_expiry_warnings(context, [done.certificate], "the broker's certificate")]


# trusted authorities


async def _trusted_authorities(context: CheckContext) -> list[Certificate]:
    """Return the certificates of authorities in the CA file; Failure if it cannot be used."""
    anonymous = context.settings.model_copy(update={"mqtt_auth_method": AuthMethod.NONE})
    try:
        tls = await _load_context(context, anonymous)
    except CredentialsUnavailable as error:
        raise Failure(
            ExitCode.CA_FILE,
            str(error),
            "In the cluster, mount the key ca.crt of this ConfigMap, as deployment.yaml does:",
            _BUNDLE,
            "It exists in that namespace only: copy it into any other namespace.",
        ) from None
    return list(tls.get_ca_certs()) if tls else []


async def _client_context(context: CheckContext) -> ssl.SSLContext | None:
    """Return the simulator's own TLS context, None without TLS; Failure if its files cannot be used."""
    try:
        return await _load_context(context, context.settings)
    except CredentialsUnavailable as error:
        raise Failure(
            ExitCode.CREDENTIALS,
            str(error),
            "MQTT_CERT_FILE and MQTT_KEY_FILE must be a pair in PEM form, readable for this user.",
        ) from None


async def _load_context(context: CheckContext, settings: Settings) -> ssl.SSLContext | None:
    return await Reader(partial(tls_context, settings), context.timeout_seconds).now()


# handshakes


async def _handshake(context: CheckContext, tls: ssl.SSLContext) -> Handshake:
    """Do one TLS handshake and close the connection. Raise OSError, of which SSLError is one, if it fails."""
    settings = context.settings
    async with asyncio.timeout(context.timeout_seconds):
        sock = await Dialer(settings.mqtt_broker, settings.mqtt_port).connect()
        reader, writer = await asyncio.open_connection(sock=sock, ssl=tls, server_hostname=settings.tls_server_name)
    await _wait_for_alert(reader)
    secure = writer.get_extra_info("ssl_object")
    done = Handshake(secure.version(), secure.getpeercert() or {}, secure.getpeercert(binary_form=True) or b"")
    writer.transport.abort()
    return done


async def _wait_for_alert(reader: asyncio.StreamReader) -> None:
    """Wait for the alert of a server that rejects the client certificate after a TLS 1.3 handshake (RFC 8446, 4.4.2.4).

    Nothing is sent meanwhile: data sent to a server that has closed would reset the connection and lose the alert.
    """
    try:
        async with asyncio.timeout(_ALERT_SECONDS):
            await reader.read(1)
    except TimeoutError:
        return
    except ssl.SSLError as error:
        raise Failure(
            ExitCode.CREDENTIALS,
            f"the broker rejects the TLS client certificate, or requires one: {error.reason}",
            "Set MQTT_AUTH_METHOD=X509 with a certificate signed by the broker's client CA, or use another port.",
        ) from None


def _unverified_context() -> ssl.SSLContext:
    """Return a context that accepts any certificate, for inspection only: nothing is sent through it."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.check_hostname = False
    tls.verify_mode = ssl.CERT_NONE
    return tls


async def _presented_certificate(context: CheckContext) -> Certificate:
    """Return the certificate that the server presents, valid or not; {} if there is none.

    Python decodes only verified certificates. So a first handshake fetches it, and a second one trusts it by itself.
    """
    try:
        der = (await _handshake(context, _unverified_context())).der
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        tls.check_hostname = False
        tls.load_verify_locations(cadata=der)
        tls.verify_flags = ssl.VerifyFlags(ssl.VERIFY_X509_PARTIAL_CHAIN | _NO_CHECK_TIME)
        return (await _handshake(context, tls)).certificate
    except OSError:
        return {}


# failures


async def _verification_failure(context: CheckContext, error: ssl.SSLCertVerificationError) -> Failure:
    shown = await _presented_certificate(context)
    found = f" ({_described(shown)})" if shown else ""
    what, *fix = _REASONS.get(error.verify_code, _unknown_authority)(context, shown)
    return Failure(ExitCode.TLS, f"{what}{found}; OpenSSL: {error.verify_message.rstrip('.')}", *fix)


def _wrong_name(context: CheckContext, shown: Certificate) -> tuple[str, ...]:
    name = context.settings.tls_server_name
    better = f" such as {names[0]}" if (names := list(_names(shown))) else ""
    return (
        f"certificate not trusted, wrong name: the broker's certificate is not for {name}",
        f"Set MQTT_TLS_SERVER_NAME to a name in the certificate{better}, or set MQTT_BROKER to it.",
    )


def _expired(context: CheckContext, shown: Certificate) -> tuple[str, ...]:
    until = ssl.cert_time_to_seconds(shown["notAfter"]) if shown else math.inf
    if until > context.wall_clock():
        what = "certificate not trusted, expired: an authority above the broker's, perhaps the one in the CA file"
    else:
        what = f"certificate not trusted, expired: the broker's certificate was valid until {utc_text(until)}"
    return (
        what,
        "cert-manager should have renewed it: kubectl get certificates -A",
        "kubectl logs -n cert-manager deploy/cert-manager --tail=50",
        "If that date is in the future, this machine's clock is wrong: compare `date -u`.",
    )


def _not_valid_yet(_context: CheckContext, shown: Certificate) -> tuple[str, ...]:
    since = utc_text(ssl.cert_time_to_seconds(shown["notBefore"])) if shown else ""
    own = f"; the broker's own is valid from {since}" if since else ""
    return (
        f"certificate not trusted, not yet valid: a certificate of the broker's chain{own}",
        "If that date is past, this machine's clock is behind: compare `date -u` here and on the node.",
    )


def _unknown_authority(context: CheckContext, shown: Certificate) -> tuple[str, ...]:
    trust = context.settings.mqtt_ca_file or "the system's authorities"
    signed = f" is signed by {_name(shown, 'issuer')}, which" if shown else ""
    return (
        f"certificate not trusted, unknown CA: the broker's certificate{signed} is not in {trust}",
        "Set MQTT_CA_FILE to the CA bundle of this broker; a copy may be older than the current CA.",
        f"In the cluster it is: {_BUNDLE} -o yaml",
    )


_REASONS: Final = {
    _NOT_YET_VALID: _not_valid_yet,
    _EXPIRED: _expired,
    _WRONG_NAME: _wrong_name,
    _WRONG_ADDRESS: _wrong_name,
}


async def _handshake_failure(context: CheckContext, error: OSError) -> Failure:
    """Return the failure of a handshake that ended before any certificate was checked."""
    if await answers_plain_mqtt(context):
        return Failure(
            ExitCode.TLS,
            f"{context.where} uses MQTT without TLS, and MQTT_TLS is true",
            "Set MQTT_PORT to the broker's TLS port (18883 in Azure IoT Operations).",
            "For a broker on your own machine: MQTT_TLS=false. On any other network the token would be readable.",
        )
    if isinstance(error, ssl.SSLError) and "ALERT" in (error.reason or ""):
        return Failure(
            ExitCode.TLS,
            f"{context.where} uses TLS, but ends the handshake: {error.reason}",
            "It may require a client certificate (MQTT_AUTH_METHOD=X509) or another version of TLS.",
        )
    why = "no answer in time" if isinstance(error, TimeoutError) else getattr(error, "reason", None) or error.strerror
    return Failure(
        ExitCode.TLS,
        f"{context.where} accepts connections, but uses neither TLS nor MQTT: {why or error}",
        f"Another service listens there. Compare MQTT_BROKER and MQTT_PORT with: {kubectl_get('service')}",
    )


async def _answers_tls(context: CheckContext) -> bool:
    """Return whether the port answers a TLS handshake, also by an alert."""
    try:
        await _handshake(context, _unverified_context())
    except OSError as error:
        # An alert is an answer in TLS too.
        return isinstance(error, ssl.SSLError) and "ALERT" in (error.reason or "")
    return True


def _tls_expected(context: CheckContext) -> Failure:
    """Return the failure of plain MQTT on a port that expects TLS."""
    return Failure(
        ExitCode.TLS,
        f"{context.where} uses TLS, and MQTT_TLS is false",
        "Unset MQTT_TLS, as its default is true, and set MQTT_CA_FILE; or use the broker's plain port, if it has one.",
    )


# certificates as text


def _described(certificate: Certificate) -> str:
    until = utc_text(ssl.cert_time_to_seconds(certificate["notAfter"]))
    names = abbreviated(list(_names(certificate))) or _name(certificate, "subject")
    return f"a certificate for {names}, signed by {_name(certificate, 'issuer')}, valid until {until}"


def _names(certificate: Certificate) -> Iterator[str]:
    """Yield the names, addresses included, that a client may connect to (RFC 6125)."""
    yield from (from_peer(name) for _, name in certificate.get("subjectAltName", ()))


def _name(certificate: Certificate, role: str) -> str:
    """Return the common name of `subject` or `issuer`, or the whole name if there is none."""
    pairs = [pair for parts in certificate.get(role, ()) for pair in parts]
    name = dict(pairs).get("commonName") or ", ".join("=".join(pair) for pair in pairs)
    return f'"{from_peer(name)}"'


def _expiry_warnings(context: CheckContext, certificates: list[Certificate], role: str) -> Iterator[Finding]:
    for each in certificates:
        until = ssl.cert_time_to_seconds(each["notAfter"])
        if until - context.wall_clock() < _EXPIRY_WARNING_SECONDS:
            yield warn(f"{role}, {_name(each, 'subject')}, is valid only until {utc_text(until)}")
