"""One network connection to the broker, from the TCP handshake to the last byte."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Any, cast

from paho.mqtt.packettypes import PacketTypes

from edge.mqtt.auth.credentials import Login, Token
from edge.mqtt.connack import Accepted
from edge.mqtt.dialing import Dialer, NotReached, reason
from edge.mqtt.protocol.codec import LONGEST_PACKET, PROTOCOL_ERROR, Violation
from edge.mqtt.protocol.packet_reader import Answer
from edge.mqtt.protocol.properties import REASON_STRING, SERVER_REFERENCE
from edge.mqtt.protocol.reason_codes import KEEP_ALIVE_TIMEOUT, Outcome, Packet, explain, name_of, outcome
from edge.mqtt.protocol.versions import rules_of
from edge.mqtt.sending import Sender, SenderAndSubscriber, Subscriber
from edge.mqtt.session import REFUSED_FROM, Session, Will, make_properties
from edge.redaction import protect
from edge.settings.host_names import joined
from edge.settings.loader import AuthMethod, Settings

SAT_METHOD = "K8S-SAT"
METRIC_CATEGORY = ("metriccategory", "edgemqttsim")
_ANSWER_SECONDS = 30.0
_TICK_SECONDS = 0.5


class ConnectionEnded(Exception):
    """An attempt or a connection has ended, and a retry may succeed. The text says why."""


class BrokerRefused(Exception):
    """The broker refused the connection, or ended it.

    code: reason code of CONNACK or DISCONNECT.  final: a retry would end the same way.
    """

    def __init__(self, why: str, code: int, *, final: bool) -> None:
        super().__init__(why)
        self.code, self.final = code, final


class Connection:
    """A TCP or TLS connection with its MQTT session.

    on_auth: called with the reason code of each AUTH from the server.  dialer: opens the TCP connection; it remembers
    which addresses have failed.  subscriber: receives what it subscribes to, if there is one.
    client_id: where it is not that of the settings.
    """

    def __init__(
        self,
        settings: Settings,
        sender: Sender,
        on_auth: Callable[[int], None],
        dialer: Dialer | None = None,
        subscriber: Subscriber | None = None,
        client_id: str | None = None,
    ) -> None:
        self._on_auth, self._is_one_of_many = on_auth, client_id is not None
        self._settings, self._subscriber, self._rules = settings, subscriber, rules_of(settings.mqtt_version)
        self._sender = sender if subscriber is None else SenderAndSubscriber(sender, subscriber)
        self._dialer = dialer or Dialer(settings.mqtt_broker, settings.mqtt_port)
        self._answer: asyncio.Future[Accepted] = asyncio.get_running_loop().create_future()
        self._server_disconnect: BrokerRefused | None = None
        self._dropped_for: str | None = None
        self._disconnecting = self._clean_start = self._has_will = False
        self._password: bytes | None = None
        self._session = Session(
            client_id or settings.mqtt_client_id,
            self,
            self._sender.acknowledged,
            self._sender.fill,
            {} if subscriber is None else subscriber.packets,
            self._rules,
        )
        self._transport = self._session.channel

    async def open(self, login: Login, *, clean_start: bool, will: Will | None = None) -> Accepted:
        """Connect, log in and start publishing; raise ConnectionEnded or BrokerRefused where that fails.

        will: what the broker publishes where the connection ends without our DISCONNECT.
        """
        self._has_will = will is not None
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                await self._dial(login.context)
                self._send_connect(login, will, clean_start=clean_start)
                ends: list[asyncio.Future[Any]] = [self._answer, self._transport.closed]
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError:
            raise ConnectionEnded(f"{self._where} did not answer within {_ANSWER_SECONDS:.0f} s") from None
        except OSError as error:
            raise ConnectionEnded(self._why_not(error)) from None
        if not self._answer.done():
            raise self._end()
        accepted = self._answer.result()
        self._dialer.confirm()
        self._sender.open(self._transport, accepted.limits, session_present=accepted.session_present)
        return accepted

    async def keep(self, tick: Callable[[], None]) -> None:
        """Keep the connection until it ends, calling `tick` about twice a second.

        Returns where `disconnect` ended it. Raises ConnectionEnded otherwise, or BrokerRefused where the server's
        DISCONNECT means that a retry is of no use.
        """
        while not self._transport.closed.done():
            # A server may close after 1.5 keep-alives, and paho pings only when its loop_misc is called.
            seconds = min(_TICK_SECONDS, (self._session.keepalive or 60) / 4)
            await asyncio.wait([self._transport.closed], timeout=seconds)
            self.check()
            tick()
        self._raise_end()

    async def ended(self) -> None:
        """Wait until the connection ends, and return or raise as `keep` does; meanwhile others call `check`."""
        await asyncio.wait([self._transport.closed])
        self._raise_end()

    def check(self) -> None:
        """Ping where that is due, and close a connection that is dead; call it about twice a second."""
        self._session.loop_misc()
        self._drop_if_silent()

    @property
    def violated(self) -> bool:
        """Whether we have closed the connection because the broker broke a rule of MQTT."""
        return isinstance(self._transport.fault, Violation)

    @property
    def keep_alive(self) -> int:
        """The keep-alive in force, in seconds."""
        return self._session.keepalive

    @property
    def disconnecting(self) -> bool:
        """Whether we have sent DISCONNECT."""
        return self._disconnecting

    def refresh(self, token: Token) -> None:
        """Send a new token on the live connection (MQTT 5, 4.12.1)."""
        self._session.authenticate_again(SAT_METHOD, token.raw)

    def disconnect(self, *, session_expiry_seconds: int | None = None) -> None:
        """Send DISCONNECT and close; without an expiry the broker keeps the session."""
        self._disconnecting = True
        if self._has_will:
            self._transport.linger()
        self._session.send_disconnect(session_expiry_seconds=session_expiry_seconds)

    def reset(self) -> None:
        """End the connection as a crash does, without DISCONNECT, so that the broker publishes the will."""
        self._dropped_for = "reset by a command"
        self._transport.reset()

    def close(self) -> None:
        """Close the connection at once, whatever its state."""
        self._sender.close()
        self._transport.abort()

    async def closed(self, seconds: float) -> None:
        """Wait up to `seconds` for the last byte to leave."""
        await asyncio.wait([self._transport.closed], timeout=seconds)

    @property
    def _where(self) -> str:
        return joined(self._settings.mqtt_broker, self._settings.mqtt_port)

    async def _dial(self, context: ssl.SSLContext | None) -> None:
        await asyncio.get_running_loop().create_connection(
            lambda: self._transport,
            sock=await self._dialer.connect(),
            ssl=context,
            server_hostname=self._settings.tls_server_name if context else None,
        )
        if self._is_one_of_many:
            self._transport.spare_memory()

    def _raise_end(self) -> None:
        if not self._disconnecting:
            raise self._end()

    def _send_connect(self, login: Login, will: Will | None, *, clean_start: bool) -> None:
        """Send CONNECT."""
        settings, self._password = self._settings, login.password
        self._clean_start = self._rules.is_clean(settings.mqtt_session_expiry, clean_start=clean_start)
        values: dict[str, object] = {
            "SessionExpiryInterval": settings.mqtt_session_expiry,
            "MaximumPacketSize": LONGEST_PACKET,
            "UserProperty": METRIC_CATEGORY,
        }
        if self._subscriber is not None:
            values["ReceiveMaximum"] = self._subscriber.receive_maximum
        if login.token is not None:
            values |= {"AuthenticationMethod": SAT_METHOD, "AuthenticationData": login.token.raw}
        if settings.mqtt_auth_method is AuthMethod.USERPASS:
            # paho takes bytes as they are, though its annotation says str.
            name = login.username or settings.mqtt_username
            self._session.username_pw_set(name, cast("str | None", login.password))
        self._session.open(
            settings.mqtt_broker,
            settings.mqtt_port,
            settings.mqtt_keep_alive,
            clean_start=self._clean_start,
            properties=make_properties(PacketTypes.CONNECT, **values),
            will=will,
        )

    def _drop_if_silent(self) -> None:
        """Close a socket that is open and has acknowledged nothing for 1.5 keep-alives: it is dead."""
        patience = 1.5 * self._session.keepalive
        if not self._transport.closed.done() and self._sender.waiting_seconds > patience:
            self._dropped_for = f"no acknowledgement for {patience:.1f} s"
            self._transport.abort()

    def _why_not(self, error: OSError) -> str:
        """Return what failed before MQTT could begin, and which option to look at."""
        if isinstance(error, ssl.SSLCertVerificationError):
            option = "MQTT_TLS_SERVER_NAME" if "mismatch" in error.verify_message else "MQTT_CA_FILE"
            return f"TLS: certificate not trusted: {self._where}: {error.verify_message.rstrip('.')} (see {option})"
        if isinstance(error, ssl.SSLError):
            return f"TLS: handshake failed: {self._where}: {error.reason or error} (is this a TLS port?)"
        if isinstance(error, socket.gaierror):
            return f"no address for the host {self._settings.mqtt_broker}: {error.strerror} (see MQTT_BROKER)"
        return f"cannot reach {self._where}: {error if isinstance(error, NotReached) else reason(error)}"

    def _end(self) -> Exception:
        """Return what ended the connection: a fault that we found, the broker, or the network."""
        fault, lost = self._transport.fault, self._transport.closed.result()
        if isinstance(fault, Violation):
            return ConnectionEnded(f"closed the connection ({name_of(fault.code)}): the broker {fault}")
        if fault is not None:
            return fault
        if self._server_disconnect is not None:
            ended = self._server_disconnect
            return ended if ended.final else ConnectionEnded(str(ended))
        if self._dropped_for:
            return ConnectionEnded(f"dropped an open connection: {self._dropped_for}")
        before = "" if self._answer.done() else f"{self._where} closed the connection before it answered"
        if lost is not None:
            return ConnectionEnded(f"{before or 'connection lost'}: {lost}")
        return ConnectionEnded(before or self._rules.closed)

    def _refused(self, what: str, packet: Packet, answer: Answer) -> BrokerRefused:
        method = self._settings.mqtt_auth_method
        if self._password is not None:
            protect(self._password)  # it may not be the last one read, where each of many connections has its own
        texts = answer.text(REASON_STRING), answer.text(SERVER_REFERENCE)
        why = explain(packet, answer.code, method, *texts, version=self._settings.mqtt_version)
        final = outcome(packet, answer.code, method) in {Outcome.FATAL, Outcome.WAIT}
        return BrokerRefused(f"{what}: {why}", answer.code, final=final)

    # SessionListener

    def on_connack(self, answer: Answer) -> None:
        """Process CONNACK; raise Violation where it contradicts our CONNECT."""
        if answer.code >= REFUSED_FROM:
            refused = self._refused("the broker refused the connection", Packet.CONNACK, answer)
            self._answer.set_exception(refused)
            self._answer.exception()  # retrieved, also where nothing waits for it any more
        elif answer.session_present and self._clean_start:
            raise Violation(PROTOCOL_ERROR, "resumed a session although CONNECT had Clean Start")
        else:
            self._answer.set_result(Accepted.of(answer, self._settings))

    def on_auth(self, code: int) -> None:
        """Pass the reason code of the server's AUTH on."""
        self._on_auth(code)

    def on_server_disconnect(self, answer: Answer) -> None:
        """Process the server's DISCONNECT, or, as mosquitto refuses AUTH, a second CONNACK."""
        self._sender.close()
        self._server_disconnect = self._refused("the broker closed the connection", Packet.DISCONNECT, answer)

    def on_closed(self, code: int) -> None:
        """Note that paho has closed its socket, with its reason code."""
        self._sender.close()
        if code == KEEP_ALIVE_TIMEOUT and self._server_disconnect is None:
            self._dropped_for = f"no answer to a ping for {self._session.keepalive} s"
