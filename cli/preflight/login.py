"""Preflight's login: is what we have to show any good, and does the broker let us in."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import partial
from typing import Final, NamedTuple

from cli.preflight.findings import Case, ExitCode, Failure, Finding, get, moment, note, ok, some, warn
from cli.preflight.session import CLIENT_ID_SUFFIX, Probe, session
from edge.mqtt.auth.credentials import CredentialsUnavailable, Reader, Token, read_password, read_token, token_file
from edge.mqtt.connack import shortcomings
from edge.mqtt.connection import BrokerRefused, ConnectionEnded
from edge.mqtt.protocol.reason_codes import NOT_AUTHORIZED
from edge.redaction import printable
from edge.settings.loader import AuthMethod

_ACCOUNT = re.compile(r"system:serviceaccount:([^:]+):([^:]+)")
_SHORT_SECONDS = 60.0
_GRANTS: Final = {
    "ReceiveMaximum": "Receive Maximum {}",
    "MaximumQoS": "Maximum QoS {}",
    "MaximumPacketSize": "Maximum Packet Size {} bytes",
    "RetainAvailable": "Retain Available {}",
    "SessionExpiryInterval": "Session Expiry {} s",
    "ServerKeepAlive": "Server Keep Alive {} s",
}
"""What CONNACK may say, by paho's names (MQTT 5, 3.2.2.3)."""

_VOLUME = "Is the volume `broker-sat` in the pod, as in deployment.yaml: a directory, never a subPath?"
_ELSEWHERE = "Outside Kubernetes choose another login: MQTT_AUTH_METHOD is one of NONE, USERPASS or X509 there."
_MOUNT = ("Mount the secret with that file, readable for this user.",)
_KUBELET = "Is it mounted by subPath? Then it is never renewed. Otherwise the node's kubelet should have renewed it."
_CLOCK = "If that does not agree with your watch, this machine's clock is wrong: compare `date -u`."
_AUDIENCE = (
    "Set `audience` in the pod's volume `broker-sat` to one that the broker's BrokerAuthentication has:",
    f"{get('brokerauthentication')} -o yaml",
    "Where the broker wants another than aio-internal, name it here by --audience.",
)
_LATER = f"The broker is up, but not ready for us: {get('pods')}; --wait tries again."
_MAY_CONNECT = f"The broker's authorization must let the client id connect; preflight's ends in `{CLIENT_ID_SUFFIX}`."
_MOVED = ("Ask who runs the broker where it is now, and set MQTT_BROKER to that.", _LATER)
_FIXES: Final[Mapping[int, tuple[str, ...]]] = {
    0x84: ("Point MQTT_BROKER and MQTT_PORT at a broker that speaks MQTT 5; older versions cannot take our login.",),
    0x85: (
        "Set MQTT_CLIENT_ID to a shorter one of letters, digits and `-`.",
        f"preflight appends `{CLIENT_ID_SUFFIX}`: if the broker knows its clients by their ids, allow that one too.",
    ),
    0x86: ("Compare MQTT_USERNAME and the file MQTT_PASSWORD_FILE with what the broker has.",),
    0x8C: (
        f"This port offers another login, see its authenticationRef: {get('brokerlistener')} -o yaml",
        "Then set MQTT_AUTH_METHOD to that login, or MQTT_PORT to a port with ours.",
    ),
    0x97: (
        "It has too many connections or sessions, or too little memory: fewer replicas, or a larger broker.",
        _LATER,
    ),
    0x9C: _MOVED,
    0x9D: _MOVED,
    0x9F: ("Too many clients connect at once: wait, or start replicas one after the other.", _LATER),
}
_NOT_AUTHORIZED_FIXES: Final[Mapping[AuthMethod, tuple[str, ...]]] = {
    AuthMethod.K8S_SAT: (
        f"Does the BrokerAuthentication of this port know us? {get('brokerauthentication')} -o yaml",
        "A token is good only in the cluster that made it, and only as long as its pod and its service account exist.",
        _MAY_CONNECT,
    ),
    AuthMethod.USERPASS: (*_FIXES[0x86], _MAY_CONNECT),
    AuthMethod.X509: ("Does the broker know the subject of the certificate MQTT_CERT_FILE?", _MAY_CONNECT),
    AuthMethod.NONE: ("Set MQTT_AUTH_METHOD to a login that the broker offers on this port.", _MAY_CONNECT),
}
"""What to do about 0x87 on CONNECT, by how we log in."""


async def check_credentials(case: Case) -> list[Finding]:
    """What we log in with, as far as can be seen from here. Secrets are read, never shown."""
    method = case.settings.mqtt_auth_method
    try:
        return await _CHECKS[method](case)
    except CredentialsUnavailable as error:
        fixes = (_VOLUME, _ELSEWHERE) if method is AuthMethod.K8S_SAT else _MOUNT
        raise Failure(ExitCode.CREDENTIALS, str(error), *fixes) from None


async def check_connect(case: Case) -> list[Finding]:
    """CONNECT as the daemon would, but as a client of our own; and what the broker grants."""
    try:
        async with session(case, Probe()) as (_, accepted):
            name = case.settings.mqtt_client_id + CLIENT_ID_SUFFIX
            return [ok(f"the broker lets us in as {name}"), *_grants(case, accepted.granted)]
    except (BrokerRefused, ConnectionEnded) as error:
        raise await not_let_in(case, error) from None


async def not_let_in(case: Case, error: BrokerRefused | ConnectionEnded) -> Failure:
    """Why CONNECT was not answered, or not as we wanted it."""
    if isinstance(error, BrokerRefused):
        return await _refused(case, error)
    return Failure(
        ExitCode.NO_SESSION,
        f"no answer to CONNECT: {error}",
        "Is it an MQTT 5 broker that listens there? An older one, or a proxy, may close the connection or be silent.",
        _LATER,
    )


# credentials


async def _check_token(case: Case) -> list[Finding]:
    path = case.settings.sat_token_path
    token = await _token(case)
    if token.expires_at is None:
        raise Failure(
            ExitCode.CREDENTIALS,
            f"token file {path} holds no JWT with an expiry",
            "Mount a projected service account token there, not a Secret.",
            _VOLUME,
        )
    if token.expires_at <= case.wall_clock():
        raise Failure(
            ExitCode.CREDENTIALS,
            f"the token in {path} has expired at {moment(token.expires_at)}",
            _KUBELET,
            _CLOCK,
        )
    audience = _audiences(token) or "none"
    shown = f"{_account(token)}, for {audience}, valid until {moment(token.expires_at)}"
    return [ok(f"{path}: {shown}"), *(warn(doubt.what) for doubt in _doubts(case, token))]


async def _token(case: Case) -> Token:
    return await Reader(partial(read_token, token_file(case.settings)), case.timeout_seconds).now()


def _audiences(token: Token) -> str:
    return printable(some(token.audience))


def _account(token: Token) -> str:
    """Whose token it is."""
    subject = printable(token.subject)
    account = _ACCOUNT.fullmatch(subject)
    return f"service account {account[2]} in {account[1]}" if account else f"subject {subject or 'none'}"


class _Doubt(NamedTuple):
    """What may be wrong with a token, though the broker may think otherwise."""

    what: str
    fix: tuple[str, ...]


def _doubts(case: Case, token: Token) -> Iterator[_Doubt]:
    """What may be wrong with the token; the broker's answer will tell."""
    if case.audience not in token.audience:
        held = _audiences(token) or "nobody"
        yield _Doubt(f"wrong audience: the token is for {held}, not for {case.audience}", _AUDIENCE)
    if not _ACCOUNT.fullmatch(token.subject):
        yield _Doubt("the token's subject is no service account", (_VOLUME,))
    if token.not_before is not None and token.not_before > case.wall_clock():
        yield _Doubt(f"the token is valid only from {moment(token.not_before)} on", (_CLOCK,))
    if token.expires_at is not None and token.expires_at - case.wall_clock() < _SHORT_SECONDS:
        yield _Doubt("the token expires within a minute, and no new one is there", (_KUBELET,))


async def _check_password(case: Case) -> list[Finding]:
    settings = case.settings
    await Reader(partial(read_password, settings), case.timeout_seconds).now()
    said = ok(f"user {settings.mqtt_username}, password from {settings.mqtt_password_file or 'MQTT_PASSWORD'}")
    clear = [] if settings.mqtt_tls else [warn("MQTT_TLS=false: the password crosses the network in the clear")]
    return [said, *clear]


async def _check_certificate(case: Case) -> list[Finding]:
    """The handshake has loaded it."""
    return [ok(f"certificate {case.settings.mqtt_cert_file}")]


async def _check_nothing(_case: Case) -> list[Finding]:
    return [note("MQTT_AUTH_METHOD=NONE: we do not say who we are")]


_CHECKS: Final[Mapping[AuthMethod, Callable[[Case], Awaitable[list[Finding]]]]] = {
    AuthMethod.K8S_SAT: _check_token,
    AuthMethod.USERPASS: _check_password,
    AuthMethod.X509: _check_certificate,
    AuthMethod.NONE: _check_nothing,
}


# CONNACK


def _grants(case: Case, granted: Mapping[str, int]) -> Iterator[Finding]:
    """What the broker grants, and where that is less than we would like."""
    told = [form.format(f"{granted[name]:,}") for name, form in _GRANTS.items() if name in granted]
    yield note(f"the broker grants: {', '.join(told) or 'everything, as it sets no limits'}")
    yield from map(warn, shortcomings(granted, case.settings))


async def _refused(case: Case, error: BrokerRefused) -> Failure:
    """The broker said no; a doubtful token is the likeliest reason for `Not authorized`."""
    if error.code == NOT_AUTHORIZED and (doubt := await _first_doubt(case)):
        return Failure(ExitCode.CREDENTIALS, f"{doubt.what}; {error}", *doubt.fix)
    fixes = _NOT_AUTHORIZED_FIXES[case.settings.mqtt_auth_method] if error.code == NOT_AUTHORIZED else None
    code = ExitCode.REFUSED if error.final else ExitCode.NO_SESSION
    return Failure(code, str(error), *(fixes or _FIXES.get(error.code, (_LATER,))))


async def _first_doubt(case: Case) -> _Doubt | None:
    if case.settings.mqtt_auth_method is not AuthMethod.K8S_SAT:
        return None
    try:
        return next(_doubts(case, await _token(case)), None)
    except CredentialsUnavailable:
        return None
