"""One network connection to the broker, from the TCP handshake to the last byte."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterable
from typing import Any, Protocol, cast

from paho.mqtt.client import Client, DisconnectFlags
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.mqtt.auth.credentials import Login, Token
from edge.mqtt.connack import Accepted
from edge.mqtt.dialing import Dialer, NotReached, reason
from edge.mqtt.protocol.codec import LONGEST_PACKET, PROTOCOL_ERROR, Violation
from edge.mqtt.protocol.packet_reader import REASON_STRING, SERVER_REFERENCE, Answer
from edge.mqtt.protocol.reason_codes import KEEP_ALIVE_TIMEOUT, Outcome, Packet, explain, name_of, outcome
from edge.mqtt.publisher import FrameWriter, Limits
from edge.mqtt.session import REFUSED_FROM, Session, Transport, make_properties
from edge.settings.host_names import joined
from edge.settings.loader import Settings

SAT_METHOD = "K8S-SAT"
METRIC_CATEGORY = ("metriccategory", "edgemqttsim")
_ANSWER_SECONDS = 30.0
_TICK_SECONDS = 0.5


class ConnectionEnded(Exception):
    """This attempt or this connection is over, and another may do better. The text says why."""


class BrokerRefused(Exception):
    """The broker said no.  code: of CONNACK or DISCONNECT.  final: coming back would end the same way."""

    def __init__(self, why: str, code: int, *, final: bool) -> None:
        super().__init__(why)
        self.code, self.final = code, final


class Lane(Protocol):
    """Who publishes over a connection: the delivery of the daemon, or the probe of a preflight."""

    @property
    def waiting_seconds(self) -> float:
        """For how long acknowledgements have been due."""

    def open(self, wire: FrameWriter, limits: Limits, *, session_present: bool) -> None:
        """The connection is up."""

    def close(self) -> None:
        """The connection is gone."""

    def fill(self) -> None:
        """Write what there is room for."""

    def acknowledged(self, packet_ids: Iterable[int], code: int) -> int:
        """The broker has answered all these alike (MQTT 5, 3.4); how many of them were in flight."""


class Connection:
    """A TCP or TLS connection with its MQTT session.

    on_auth: told the reason code of each AUTH from the server.  dialer: the way there, which learns from attempts.
    """

    def __init__(
        self, settings: Settings, delivery: Lane, on_auth: Callable[[int], None], dialer: Dialer | None = None
    ) -> None:
        self.on_auth = on_auth
        self._settings, self._delivery = settings, delivery
        self._dialer = dialer or Dialer(settings.mqtt_broker, settings.mqtt_port)
        self._answer: asyncio.Future[Accepted] = asyncio.get_running_loop().create_future()
        self._farewell: BrokerRefused | None = None
        self._dropped_for: str | None = None
        self._leaving = self._clean_start = False
        self._link = Transport(delivery.acknowledged, delivery.fill, delivery.fill)
        self._session = Session(self._link, settings.mqtt_client_id, self)
        self._session.on_disconnect = self._on_disconnect

    async def open(self, login: Login, *, clean_start: bool) -> Accepted:
        """Connect, be let in and start delivering; ConnectionEnded or BrokerRefused otherwise."""
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                await self._dial(login.context)
                self._introduce(login, clean_start=clean_start)
                ends: list[asyncio.Future[Any]] = [self._answer, self._link.closed]
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError:
            raise ConnectionEnded(f"{self._where} did not answer within {_ANSWER_SECONDS:.0f} s") from None
        except OSError as error:
            raise ConnectionEnded(self._why_not(error)) from None
        if not self._answer.done():
            raise self._end()
        accepted = self._answer.result()
        self._dialer.confirm()
        self._delivery.open(self._link, accepted.limits, session_present=accepted.session_present)
        return accepted

    async def keep(self, tick: Callable[[], None]) -> None:
        """Stay until the connection ends, calling `tick` about twice a second.

        Returns where we left ourselves; else raises ConnectionEnded, or BrokerRefused where the server's DISCONNECT
        says that coming back is of no use.
        """
        while not self._link.closed.done():
            # A server may give up after 1.5 keep-alives, and paho pings only when asked to look at the time.
            await asyncio.wait([self._link.closed], timeout=min(_TICK_SECONDS, (self._session.keepalive or 60) / 4))
            self._session.loop_misc()
            self._drop_if_silent()
            tick()
        if not self._leaving:
            raise self._end()

    @property
    def violated(self) -> bool:
        """Whether we have ended the connection because the broker broke a rule."""
        return isinstance(self._link.fault, Violation)

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
        settings, self._clean_start = self._settings, clean_start
        values: dict[str, object] = {
            "SessionExpiryInterval": settings.mqtt_session_expiry,
            "MaximumPacketSize": LONGEST_PACKET,
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
        if not self._link.closed.done() and self._delivery.waiting_seconds > patience:
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

    def _end(self) -> Exception:
        """What ended the connection: we, for a fault, or the broker, or the network."""
        fault, lost = self._link.fault, self._link.closed.result()
        if isinstance(fault, Violation):
            return ConnectionEnded(f"closed the connection ({name_of(fault.code)}): the broker {fault}")
        if fault is not None:
            return fault
        if self._farewell is not None:
            return self._farewell if self._farewell.final else ConnectionEnded(str(self._farewell))
        if self._dropped_for:
            return ConnectionEnded(f"dropped an open connection: {self._dropped_for}")
        before = "" if self._answer.done() else f"{self._where} closed the connection before it answered"
        if lost is not None:
            return ConnectionEnded(f"{before or 'connection lost'}: {lost}")
        return ConnectionEnded(before or "the broker closed the connection without DISCONNECT")

    def _refused(self, what: str, packet: Packet, answer: Answer) -> BrokerRefused:
        method = self._settings.mqtt_auth_method
        why = explain(packet, answer.code, method, answer.text(REASON_STRING), answer.text(SERVER_REFERENCE))
        final = outcome(packet, answer.code, method) in {Outcome.FATAL, Outcome.WAIT}
        return BrokerRefused(f"{what}: {why}", answer.code, final=final)

    # what the session hears

    def on_connack(self, answer: Answer) -> None:
        """The broker has let us in, or refused to; Violation where it says what cannot be."""
        if answer.code >= REFUSED_FROM:
            refused = self._refused("the broker refused the connection", Packet.CONNACK, answer)
            self._answer.set_exception(refused)
        elif answer.session_present and self._clean_start:
            raise Violation(PROTOCOL_ERROR, "has kept a session that we had asked it to forget")
        else:
            self._answer.set_result(Accepted.of(answer, self._settings))

    def on_farewell(self, answer: Answer) -> None:
        """The broker ends the connection, be it by DISCONNECT or, as mosquitto refuses AUTH, by another CONNACK."""
        self._delivery.close()
        self._farewell = self._refused("the broker closed the connection", Packet.DISCONNECT, answer)

    def _on_disconnect(
        self,
        _client: Client,
        _data: object,
        _flags: DisconnectFlags,
        reason: ReasonCode | int | None,
        _: Properties | None,
    ) -> None:
        """Called by paho when it lets go of its socket."""
        self._delivery.close()
        if reason == KEEP_ALIVE_TIMEOUT and self._farewell is None:
            self._dropped_for = f"no answer to a ping for {self._session.keepalive} s"
