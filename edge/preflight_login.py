"""Preflight's login: is what we have to show any good, and does the broker let us in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

from edge.connection import BrokerRefused, ConnectionEnded
from edge.credentials import CredentialsUnavailable, Token, read_password, read_token
from edge.preflight_findings import Case, Exit, Failure, Finding, get, moment, note, ok, some, warn
from edge.preflight_session import CLIENT_ID_SUFFIX, Probe, session
from edge.reasons import FATAL_ON_CONNECT, NOT_AUTHORIZED
from edge.settings import AuthMethod

_ACCOUNT = re.compile(r"system:serviceaccount:([^:]+):([^:]+)")
_SHORT_SECONDS = 60.0
_SHORT_PACKET_BYTES = 4096
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
_KUBELET = "Is it mounted by subPath? Then it is never renewed. Otherwise the node's kubelet should have renewed it."
_CLOCK = "If that does not agree with your watch, this machine's clock is wrong: compare `date -u`."
_AUDIENCE = (
    "Set `audience` in the pod's volume `broker-sat` to one that the broker's BrokerAuthentication has:",
    f"{get('brokerauthentication')} -o yaml",
    "Where the broker wants another than aio-internal, name it here by --audience.",
)
_LATER = f"The broker is up, but not ready for us: {get('pods')}; --wait tries again."
_FIXES: Final[Mapping[int, tuple[str, ...]]] = {
    0x84: ("Point MQTT_BROKER and MQTT_PORT at a broker that speaks MQTT 5; older versions cannot take our login.",),
    0x85: (
        "Set MQTT_CLIENT_ID to a shorter one of letters, digits and `-`.",
        f"preflight appends `{CLIENT_ID_SUFFIX}`: if the broker knows its clients by their ids, allow that one too.",
    ),
    0x86: ("Compare MQTT_USERNAME and the file MQTT_PASSWORD_FILE with what the broker has.",),
    0x87: (
        f"Does the BrokerAuthentication of this port know us? {get('brokerauthentication')} -o yaml",
        "A token is good only in the cluster that made it, and only as long as its pod and its service account exist.",
        f"A BrokerAuthorization must let the client id connect; preflight's ends in `{CLIENT_ID_SUFFIX}`.",
    ),
    0x8C: (
        f"This port offers another login, see its authenticationRef: {get('brokerlistener')} -o yaml",
        "Then set MQTT_AUTH_METHOD to that login, or MQTT_PORT to a port with ours.",
    ),
    0x97: (
        "It has too many connections or sessions, or too little memory: fewer replicas, or a larger broker.",
        _LATER,
    ),
    0x9F: ("Too many clients connect at once: wait, or start replicas one after the other.", _LATER),
}


async def check_credentials(case: Case) -> list[Finding]:
    """What we log in with, as far as can be seen from here. Secrets are read, never shown."""
    method = case.settings.mqtt_auth_method
    try:
        return _CHECKS[method](case)
    except CredentialsUnavailable as error:
        fix = _VOLUME if method is AuthMethod.K8S_SAT else "Mount the secret with that file, readable for this user."
        raise Failure(Exit.CREDENTIALS, str(error), fix) from None


async def check_connect(case: Case) -> list[Finding]:
    """CONNECT as the daemon would, but as a client of our own; and what the broker grants."""
    try:
        async with session(case, Probe()) as (_, accepted):
            name = case.settings.mqtt_client_id + CLIENT_ID_SUFFIX
            return [ok(f"the broker lets us in as {name}"), *_grants(case, accepted.granted)]
    except (BrokerRefused, ConnectionEnded) as error:
        raise not_let_in(case, error) from None


def not_let_in(case: Case, error: BrokerRefused | ConnectionEnded) -> Failure:
    """Why CONNECT was not answered, or not as we wanted it."""
    if isinstance(error, BrokerRefused):
        return _refused(case, error)
    return Failure(
        Exit.NO_SESSION,
        f"no answer to CONNECT: {error}",
        "Is it an MQTT 5 broker that listens there? An older one, or a proxy, may close the connection or be silent.",
        _LATER,
    )


# credentials


def _check_token(case: Case) -> list[Finding]:
    path = case.settings.sat_token_path
    token = read_token(path)
    if token.expires_at is None:
        raise Failure(
            Exit.CREDENTIALS,
            f"token file {path} holds no JWT with an expiry",
            "Mount a projected service account token there, not a Secret.",
            _VOLUME,
        )
    if token.expires_at <= case.wall_clock():
        raise Failure(
            Exit.CREDENTIALS,
            f"the token in {path} has expired at {moment(token.expires_at)}",
            _KUBELET,
            _CLOCK,
        )
    audience = some(token.audience) or "none"
    shown = f"{_account(token)}, for {audience}, valid until {moment(token.expires_at)}"
    return [ok(f"{path}: {shown}"), *(warn(doubt.what) for doubt in _doubts(case, token))]


def _account(token: Token) -> str:
    """Whose token it is."""
    account = _ACCOUNT.fullmatch(token.subject)
    return f"service account {account[2]} in {account[1]}" if account else f"subject {token.subject or 'none'}"


class _Doubt(NamedTuple):
    """What may be wrong with a token, though the broker may think otherwise."""

    what: str
    fix: tuple[str, ...]


def _doubts(case: Case, token: Token) -> Iterator[_Doubt]:
    """What may be wrong with the token; the broker's answer will tell."""
    if case.audience not in token.audience:
        held = some(token.audience) or "nobody"
        yield _Doubt(f"wrong audience: the token is for {held}, not for {case.audience}", _AUDIENCE)
    if not _ACCOUNT.fullmatch(token.subject):
        yield _Doubt("the token's subject is no service account", (_VOLUME,))
    if token.not_before is not None and token.not_before > case.wall_clock():
        yield _Doubt(f"the token is valid only from {moment(token.not_before)} on", (_CLOCK,))
    if token.expires_at is not None and token.expires_at - case.wall_clock() < _SHORT_SECONDS:
        yield _Doubt("the token expires within a minute, and no new one is there", (_KUBELET,))


def _check_password(case: Case) -> list[Finding]:
    settings = case.settings
    read_password(settings)
    said = ok(f"user {settings.mqtt_username}, password from {settings.mqtt_password_file or 'MQTT_PASSWORD'}")
    clear = [] if settings.mqtt_tls else [warn("MQTT_TLS=false: the password crosses the network in the clear")]
    return [said, *clear]


_CHECKS: Final[Mapping[AuthMethod, Callable[[Case], list[Finding]]]] = {
    AuthMethod.K8S_SAT: _check_token,
    AuthMethod.USERPASS: _check_password,
    AuthMethod.X509: lambda case: [ok(f"certificate {case.settings.mqtt_cert_file}")],
    AuthMethod.NONE: lambda _case: [note("MQTT_AUTH_METHOD=NONE: we do not say who we are")],
}


# CONNACK


def _grants(case: Case, granted: Mapping[str, int]) -> Iterator[Finding]:
    """What the broker grants, and where that is less than we would like."""
    told = [form.format(f"{granted[name]:,}") for name, form in _GRANTS.items() if name in granted]
    yield note(f"the broker grants: {', '.join(told) or 'everything, as it sets no limits'}")
    settings = case.settings
    if granted.get("MaximumQoS", 2) < settings.mqtt_qos:
        yield warn("messages go out with QoS 0: nothing is acknowledged, and what gets lost is not noticed")
    if not granted.get("RetainAvailable", 1):
        yield warn("the broker keeps no retained messages: OEE reports reach only those who listen then")
    if granted.get("MaximumPacketSize", _SHORT_PACKET_BYTES) < _SHORT_PACKET_BYTES:
        yield warn("longer messages than the Maximum Packet Size are dropped as too_large")
    if granted.get("SessionExpiryInterval", settings.mqtt_session_expiry) < settings.mqtt_session_expiry:
        yield warn(f"sessions are kept for less than MQTT_SESSION_EXPIRY={settings.mqtt_session_expiry} s")


def _refused(case: Case, error: BrokerRefused) -> Failure:
    """The broker said no; a doubtful token is the likeliest reason for `Not authorized`."""
    if error.code == NOT_AUTHORIZED and (doubt := _first_doubt(case)):
        return Failure(Exit.CREDENTIALS, f"{doubt.what}; {error}", *doubt.fix)
    code = Exit.REFUSED if error.code in FATAL_ON_CONNECT else Exit.NO_SESSION
    return Failure(code, str(error), *_FIXES.get(error.code, (_LATER,)))


def _first_doubt(case: Case) -> _Doubt | None:
    if case.settings.mqtt_auth_method is not AuthMethod.K8S_SAT:
        return None
    try:
        return next(_doubts(case, read_token(case.settings.sat_token_path)), None)
    except CredentialsUnavailable:
        return None
