"""One network connection to the broker, from the TCP handshake to the last byte."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, Self, cast

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.credentials import Token, read_password, read_token, tls_context
from edge.delivery import Limits, Wire
from edge.dial import Dialer, NotReached, reason
from edge.hosts import joined
from edge.reasons import FATAL_ON_CONNECT, FATAL_ON_DISCONNECT, KEEP_ALIVE_TIMEOUT, explain
from edge.session import FIRST_OWN_ID, LAST_OWN_ID, Link, Session, make_properties
from edge.settings import AuthMethod, Settings

SAT_METHOD = "K8S-SAT"
METRIC_CATEGORY = ("metriccategory", "edgemqttsim")
_ANSWER_SECONDS = 30.0
_TICK_SECONDS = 0.5
_GRANTS = (
    "ReceiveMaximum",
    "MaximumQoS",
    "MaximumPacketSize",
    "RetainAvailable",
    "SessionExpiryInterval",
    "ServerKeepAlive",
)


class ConnectionEnded(Exception):
    """This attempt or this connection is over, and another may do better. The text says why."""


class BrokerRefused(Exception):
    """The broker said no.  code: of CONNACK or DISCONNECT.  final: coming back would end the same way."""

    def __init__(self, what: str, code: int, *, final: bool) -> None:
        super().__init__(f"{what}: {explain(code)}")
        self.code, self.final = code, final


@dataclass(frozen=True, slots=True)
class Accepted:
    """A CONNACK that lets us in (MQTT 5, 3.2).  granted: its numbers as the broker set them, by paho's names."""

    session_present: bool
    limits: Limits
    granted: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Login:
    """Who we are at this connect, fresh from the files.

    context: TLS, or None for plain TCP.  token: for K8S-SAT.  password: for USERPASS.
    """

    context: ssl.SSLContext | None
    token: Token | None = None
    password: bytes | None = None

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Who the settings say we are, read now; CredentialsUnavailable where a file is not there."""
        method = settings.mqtt_auth_method
        token = read_token(settings.sat_token_path) if method is AuthMethod.K8S_SAT else None
        password = read_password(settings) if method is AuthMethod.USERPASS else None
        return cls(tls_context(settings), token, password)


class Lane(Protocol):
    """Who publishes over a connection: the delivery of the daemon, or the probe of a preflight."""

    @property
    def waiting_seconds(self) -> float:
        """For how long acknowledgements have been due."""

    def open(self, wire: Wire, limits: Limits, *, session_present: bool) -> None:
        """The connection is up."""

    def close(self) -> None:
        """The connection is gone."""

    def fill(self) -> None:
        """Write what there is room for."""

    def acknowledged(self, packet_ids: Iterable[int], code: int) -> None:
        """The broker has answered all these alike (MQTT 5, 3.4)."""


class Connection:
    """A TCP or TLS connection with its MQTT session.

    on_auth: told the reason code of each AUTH from the server.  dialer: the way there, which learns from attempts.
    """

    def __init__(
        self, settings: Settings, delivery: Lane, on_auth: Callable[[int], None], dialer: Dialer | None = None
    ) -> None:
        self._settings, self._delivery = settings, delivery
        self._dialer = dialer or Dialer(settings.mqtt_broker, settings.mqtt_port)
        self._answer: asyncio.Future[Accepted] = asyncio.get_running_loop().create_future()
        self._farewell: int | None = None
        self._dropped_for: str | None = None
        self._leaving = False
        self._link = Link(delivery.acknowledged, delivery.fill, delivery.fill)
        self._session = Session(self._link, settings.mqtt_client_id, on_auth, self._on_refused)
        self._session.on_connect = self._on_connect
        self._session.on_disconnect = self._on_disconnect

    async def open(self, login: Login, *, clean_start: bool) -> Accepted:
        """Connect, be let in and start delivering; ConnectionEnded or BrokerRefused otherwise."""
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                await self._dial(login.context)
                self._introduce(login, clean_start=clean_start)
                accepted = await self._answer
        except TimeoutError:
            raise ConnectionEnded(f"{self._where} did not answer within {_ANSWER_SECONDS:.0f} s") from None
        except OSError as error:
            raise ConnectionEnded(self._why_not(error)) from None
        except ConnectionEnded as ended:
            lost = self._link.closed.result() if self._link.closed.done() else None
            raise ConnectionEnded(f"{ended}: {lost}" if lost else str(ended)) from None
        self._dialer.confirm()
        self._delivery.open(self._link, accepted.limits, session_present=accepted.session_present)
        return accepted

    async def keep(self, tick: Callable[[], None]) -> None:
        """Stay until the connection ends, calling `tick` twice a second.

        Returns where we left ourselves; else raises ConnectionEnded, or BrokerRefused where the server's DISCONNECT
        says that coming back is of no use.
        """
        while not self._link.closed.done():
            await asyncio.wait([self._link.closed], timeout=_TICK_SECONDS)
            self._session.loop_misc()
            self._drop_if_silent()
            tick()
        if self._leaving:
            return
        if self._farewell in FATAL_ON_DISCONNECT:
            raise BrokerRefused("the broker closed the connection", self._farewell, final=True)
        raise ConnectionEnded(self._why_ended(self._link.closed.result()))

    def renew(self, token: Token) -> None:
        """Send a new token on the live connection (MQTT 5, 4.12.1)."""
        self._session.authenticate_again(SAT_METHOD, token.raw)

    def leave(self, *, session_expiry_seconds: int | None = None) -> None:
        """Say DISCONNECT and close; without an expiry the broker keeps the session."""
        self._leaving = True
        self._session.leave(session_expiry_seconds=session_expiry_seconds)

    def close(self) -> None:
        """Let go of the connection, whatever state it is in."""
        self._delivery.close()
        self._link.abort()

    async def closed(self, seconds: float) -> None:
        """Wait up to `seconds` for the last byte to leave."""
        await asyncio.wait([self._link.closed], timeout=seconds)

    @property
    def _where(self) -> str:
        return joined(self._settings.mqtt_broker, self._settings.mqtt_port)

    async def _dial(self, context: ssl.SSLContext | None) -> None:
        await asyncio.get_running_loop().create_connection(
            lambda: self._link,
            sock=await self._dialer.connect(),
            ssl=context,
            server_hostname=self._settings.tls_server_name if context else None,
        )

    def _introduce(self, login: Login, *, clean_start: bool) -> None:
        """Send CONNECT."""
        settings = self._settings
        values: dict[str, object] = {
            "SessionExpiryInterval": settings.mqtt_session_expiry,
            "UserProperty": METRIC_CATEGORY,
        }
        if login.token is not None:
            values |= {"AuthenticationMethod": SAT_METHOD, "AuthenticationData": login.token.raw}
        if login.password is not None:
            # paho takes bytes as they are, though its annotation says str.
            self._session.username_pw_set(settings.mqtt_username, cast("str", login.password))
        self._session.open(
            settings.mqtt_broker,
            settings.mqtt_port,
            settings.mqtt_keep_alive,
            clean_start=clean_start,
            properties=make_properties(PacketTypes.CONNECT, **values),
        )

    def _drop_if_silent(self) -> None:
        """An open socket that acknowledges nothing for 1.5 keep-alives is a dead one."""
        patience = 1.5 * self._session.keepalive
        if patience and self._delivery.waiting_seconds > patience:
            self._dropped_for = f"no acknowledgement for {patience:.1f} s"
            self._link.abort()

    def _why_not(self, error: OSError) -> str:
        """What went wrong before MQTT could begin, and which option to look at."""
        if isinstance(error, ssl.SSLCertVerificationError):
            option = "MQTT_TLS_SERVER_NAME" if "mismatch" in error.verify_message else "MQTT_CA_FILE"
            return f"TLS: {self._where} is not who we trust: {error.verify_message.rstrip('.')} (see {option})"
        if isinstance(error, ssl.SSLError):
            return f"TLS: no handshake with {self._where}: {error.reason or error} (is this a TLS port?)"
        if isinstance(error, socket.gaierror):
            return f"no address for the host {self._settings.mqtt_broker}: {error.strerror} (see MQTT_BROKER)"
        return f"cannot reach {self._where}: {error if isinstance(error, NotReached) else reason(error)}"

    def _why_ended(self, error: Exception | None) -> str:
        if self._farewell is not None:
            return f"the broker closed the connection: {explain(self._farewell)}"
        if self._dropped_for:
            return f"dropped an open connection: {self._dropped_for}"
        return f"connection lost: {error}" if error else "the connection closed without a word from the broker"

    # called by paho

    def _on_refused(self, code: int) -> None:
        if self._answer.done():  # mosquitto answers a refused AUTH with a second CONNACK
            self._farewell = code
            return
        final = code in FATAL_ON_CONNECT
        self._answer.set_exception(BrokerRefused("the broker refused the connection", code, final=final))

    def _on_connect(
        self, _client: Client, _data: object, flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if self._answer.done():
            return
        if reason.is_failure:  # paho's translation of what a broker without MQTT 5 answers
            self._on_refused(reason.value)
        else:
            self._answer.set_result(Accepted(flags.session_present, self._limits(properties), _granted(properties)))

    def _on_disconnect(
        self,
        _client: Client,
        _data: object,
        flags: DisconnectFlags,
        reason: ReasonCode | int | None,
        _: Properties | None,
    ) -> None:
        self._delivery.close()
        if flags.is_disconnect_packet_from_server and isinstance(reason, ReasonCode):
            self._farewell = reason.value
        elif reason == KEEP_ALIVE_TIMEOUT:
            self._dropped_for = f"no answer to a ping for {self._session.keepalive} s"
        if not self._answer.done():
            self._answer.set_exception(ConnectionEnded(f"{self._where} closed the connection before it answered"))

    def _limits(self, granted: Properties | None) -> Limits:
        """Our wishes within what the server grants; what it does not mention is unlimited (MQTT 5, 3.2.2.3)."""
        receive_maximum = getattr(granted, "ReceiveMaximum", LAST_OWN_ID)
        return Limits(
            window=min(self._settings.mqtt_window, receive_maximum, LAST_OWN_ID - FIRST_OWN_ID),
            qos=min(self._settings.mqtt_qos, getattr(granted, "MaximumQoS", 2)),
            frame_bytes=getattr(granted, "MaximumPacketSize", None),
            retain=bool(getattr(granted, "RetainAvailable", 1)),
        )


def _granted(properties: Properties | None) -> dict[str, int]:
    return {name: getattr(properties, name) for name in _GRANTS if hasattr(properties, name)}
