"""The steps login and CONNECT: whether the credentials are usable, and whether the broker accepts them."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import partial
from typing import Final, NamedTuple

from cli.options.preflight import ExitCode
from cli.preflight.findings import (
    CheckContext,
    Failure,
    Finding,
    abbreviated,
    kubectl_get,
    note,
    ok,
    utc_text,
    warn,
)
from cli.preflight.session import CLIENT_ID_SUFFIX, Probe, session
from edge.mqtt.auth.credentials import CredentialsUnavailable, Reader, Token, read_password, read_token, token_file
from edge.mqtt.connack import shortcomings
from edge.mqtt.connection import BrokerRefused, ConnectionEnded
from edge.mqtt.protocol.reason_codes import NOT_AUTHORIZED
from edge.redaction import printable
from edge.settings.loader import AuthMethod

_ACCOUNT = re.compile(r"system:serviceaccount:([^:]+):([^:]+)")
_SHORT_SECONDS = 60.0
_LIMITS: Final = {
    "ReceiveMaximum": "Receive Maximum {}",
    "MaximumQoS": "Maximum QoS {}",
    "MaximumPacketSize": "Maximum Packet Size {} bytes",
    "RetainAvailable": "Retain Available {}",
    "SessionExpiryInterval": "Session Expiry {} s",
    "ServerKeepAlive": "Server Keep Alive {} s",
}
"""Properties of CONNACK by paho's names (MQTT 5, 3.2.2.3)."""

_VOLUME = "Is the volume `broker-sat` mounted in the pod, as in deployment.yaml: as a directory, not by subPath?"
_NOT_KUBERNETES = "Outside Kubernetes, set MQTT_AUTH_METHOD to NONE, USERPASS or X509."
_MOUNT = ("Mount the secret that contains this file, readable for this user.",)
_KUBELET = "If it is mounted by subPath, it is never refreshed. Otherwise the node's kubelet should have refreshed it."
_CLOCK = "If that contradicts the current time, this machine's clock is wrong: compare `date -u`."
_AUDIENCE = (
    "Set `audience` in the pod's volume `broker-sat` to one that the broker's BrokerAuthentication has:",
    f"{kubectl_get('brokerauthentication')} -o yaml",
    "If the broker expects another audience than aio-internal, pass it by --audience.",
)
_LATER = f"The broker answers, but is not ready: {kubectl_get('pods')}; --wait retries."
_MAY_CONNECT = f"The broker's authorization must allow the client id; preflight's ends in `{CLIENT_ID_SUFFIX}`."
_NOT_TESTED = (
    "not tested, as MQTT 3.1.1 does not report it: the broker's limits (Receive Maximum, Maximum QoS, Maximum Packet "
    "Size, Retain Available), and whether it refuses a message"
)
_MOVED = ("Ask the operator of the broker for its new address, and set MQTT_BROKER to it.", _LATER)
_FIXES: Final[Mapping[int, tuple[str, ...]]] = {
    0x84: (
        "Set MQTT_VERSION to the other version, 5 or 3.1.1, or MQTT_BROKER and MQTT_PORT to a broker with this one.",
        "K8S-SAT needs a broker with MQTT 5.",
    ),
    0x85: (
        "Set MQTT_CLIENT_ID to a shorter one of letters, digits and `-`.",
        f"preflight appends `{CLIENT_ID_SUFFIX}`: if the broker has a list of client ids, add that one.",
    ),
    0x86: ("Compare MQTT_USERNAME and the file MQTT_PASSWORD_FILE with the users of the broker.",),
    0x8C: (
        f"This port requires another login, see its authenticationRef: {kubectl_get('brokerlistener')} -o yaml",
        "Set MQTT_AUTH_METHOD to that login, or MQTT_PORT to a port that accepts this one.",
    ),
    0x97: (
        "It has too many connections or sessions, or too little memory: use fewer replicas or a larger broker.",
        _LATER,
    ),
    0x9C: _MOVED,
    0x9D: _MOVED,
    0x9F: ("Too many clients connect at once: wait, or start the replicas one after the other.", _LATER),
}
_NOT_AUTHORIZED_FIXES: Final[Mapping[AuthMethod, tuple[str, ...]]] = {
    AuthMethod.K8S_SAT: (
        f"Does the BrokerAuthentication accept this token? {kubectl_get('brokerauthentication')} -o yaml",
        "A token is valid only in the cluster that issued it, and only while its pod and its service account exist.",
        _MAY_CONNECT,
    ),
    AuthMethod.USERPASS: (*_FIXES[0x86], _MAY_CONNECT),
    AuthMethod.X509: ("Does the broker accept the subject of the certificate MQTT_CERT_FILE?", _MAY_CONNECT),
    AuthMethod.NONE: ("Set MQTT_AUTH_METHOD to a login that this port of the broker accepts.", _MAY_CONNECT),
}
"""What to do about 0x87 on CONNECT, by method of login."""


async def check_credentials(context: CheckContext) -> list[Finding]:
    """Report the credentials as far as they can be checked without the broker. Secrets are read, never shown."""
    method = context.settings.mqtt_auth_method
    try:
        return await _CHECKS[method](context)
    except CredentialsUnavailable as error:
        fixes = (_VOLUME, _NOT_KUBERNETES) if method is AuthMethod.K8S_SAT else _MOUNT
        raise Failure(ExitCode.CREDENTIALS, str(error), *fixes) from None


async def check_connect(context: CheckContext) -> list[Finding]:
    """Connect as the simulator would, under another client id, and report the limits that the broker sets."""
    try:
        async with session(context, Probe()) as (_, accepted):
            name = context.settings.mqtt_client_id + CLIENT_ID_SUFFIX
            return [ok(f"connected as {name}"), *_granted_limits(context, accepted.granted)]
    except (BrokerRefused, ConnectionEnded) as error:
        raise await connect_failure(context, error) from None


async def connect_failure(context: CheckContext, error: BrokerRefused | ConnectionEnded) -> Failure:
    """Return the failure for a CONNECT that was rejected or not answered."""
    if isinstance(error, BrokerRefused):
        return await _rejected(context, error)
    return Failure(
        ExitCode.NO_SESSION,
        f"no answer to CONNECT: {error}",
        f"Does an {context.rules.name} broker listen there? One of another version (MQTT_VERSION), or a proxy, may "
        "close the connection or not answer.",
        _LATER,
    )


# credentials


async def _check_token(context: CheckContext) -> list[Finding]:
    path = context.settings.sat_token_path
    token = await _token(context)
    if token.expires_at is None:
        raise Failure(
            ExitCode.CREDENTIALS,
            f"token file {path} contains no JWT with an expiry",
            "Mount a projected service account token there, not a Secret.",
            _VOLUME,
        )
    if token.expires_at <= context.wall_clock():
        raise Failure(
            ExitCode.CREDENTIALS,
            f"the token in {path} expired at {utc_text(token.expires_at)}",
            _KUBELET,
            _CLOCK,
        )
    audience = _audiences(token) or "none"
    shown = f"{_account(token)}, for {audience}, valid until {utc_text(token.expires_at)}"
    return [ok(f"{path}: {shown}"), *(warn(each.problem) for each in _possible_problems(context, token))]


async def _token(context: CheckContext) -> Token:
    return await Reader(partial(read_token, token_file(context.settings)), context.timeout_seconds).now()


def _audiences(token: Token) -> str:
    return printable(abbreviated(token.audience))


def _account(token: Token) -> str:
    """Return the service account of a token, or its subject if that is not one."""
    subject = printable(token.subject)
    account = _ACCOUNT.fullmatch(subject)
    return f"service account {account[2]} in {account[1]}" if account else f"subject {subject or 'none'}"


class _TokenProblem(NamedTuple):
    """A possible cause of rejection; only the broker decides."""

    problem: str
    fix: tuple[str, ...]


def _possible_problems(context: CheckContext, token: Token) -> Iterator[_TokenProblem]:
    """Yield what may be wrong with the token, the likeliest first."""
    if context.audience not in token.audience:
        audiences = _audiences(token) or "no audience"
        yield _TokenProblem(f"wrong audience: the token is for {audiences}, not for {context.audience}", _AUDIENCE)
    if not _ACCOUNT.fullmatch(token.subject):
        yield _TokenProblem("the token's subject is not a service account", (_VOLUME,))
    if token.not_before is not None and token.not_before > context.wall_clock():
        yield _TokenProblem(f"the token is not valid before {utc_text(token.not_before)}", (_CLOCK,))
    if token.expires_at is not None and token.expires_at - context.wall_clock() < _SHORT_SECONDS:
        yield _TokenProblem("the token expires within a minute and has not been refreshed", (_KUBELET,))


async def _check_password(context: CheckContext) -> list[Finding]:
    settings = context.settings
    password = await Reader(partial(read_password, settings), context.timeout_seconds).now()
    source = f"password from {settings.mqtt_password_file or 'MQTT_PASSWORD'}" if password else "without a password"
    login = ok(f"user {settings.mqtt_username}, {source}")
    clear = [] if settings.mqtt_tls or not password else [warn("MQTT_TLS=false: the password is sent unencrypted")]
    return [login, *clear]


async def _check_certificate(context: CheckContext) -> list[Finding]:
    """Report the certificate file, which the handshake has loaded."""
    return [ok(f"certificate {context.settings.mqtt_cert_file}")]


async def _check_anonymous(_context: CheckContext) -> list[Finding]:
    return [note("MQTT_AUTH_METHOD=NONE: the simulator connects without credentials")]


_CHECKS: Final[Mapping[AuthMethod, Callable[[CheckContext], Awaitable[list[Finding]]]]] = {
    AuthMethod.K8S_SAT: _check_token,
    AuthMethod.USERPASS: _check_password,
    AuthMethod.X509: _check_certificate,
    AuthMethod.NONE: _check_anonymous,
}


# CONNACK


def _granted_limits(context: CheckContext, granted: Mapping[str, int]) -> Iterator[Finding]:
    """Report the limits that the broker sets, and warn about those that cost throughput or features."""
    if not context.rules.has_properties:
        yield note(_NOT_TESTED)
        return
    limits = [form.format(f"{granted[name]:,}") for name, form in _LIMITS.items() if name in granted]
    yield note(f"limits of the broker: {', '.join(limits) or 'none'}")
    yield from map(warn, shortcomings(granted, context.settings))


async def _rejected(context: CheckContext, error: BrokerRefused) -> Failure:
    """Return the failure for a rejected CONNECT; a suspicious token is the likeliest cause of `Not authorized`."""
    if error.code == NOT_AUTHORIZED and (likely := await _first_problem(context)):
        return Failure(ExitCode.CREDENTIALS, f"{likely.problem}; {error}", *likely.fix)
    fixes = _NOT_AUTHORIZED_FIXES[context.settings.mqtt_auth_method] if error.code == NOT_AUTHORIZED else None
    code = ExitCode.REJECTED if error.final else ExitCode.NO_SESSION
    return Failure(code, str(error), *(fixes or _FIXES.get(error.code, (_LATER,))))


async def _first_problem(context: CheckContext) -> _TokenProblem | None:
    if context.settings.mqtt_auth_method is not AuthMethod.K8S_SAT:
        return None
    try:
        return next(_possible_problems(context, await _token(context)), None)
    except CredentialsUnavailable:
        return None
