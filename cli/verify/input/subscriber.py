"""Receive messages from the broker by a separate client, with the simulator's settings, in paho's thread."""

from __future__ import annotations

import asyncio
import queue
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import Any, Final, Self, cast

import orjson
from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.mqtt.auth.credentials import CredentialsUnavailable, Login, Reader, Token, read_token, token_file
from edge.mqtt.connection import SAT_METHOD
from edge.mqtt.dialing import NotReached, connected_socket
from edge.mqtt.protocol.codec import PACKET_TOO_LARGE, PROTOCOL_ERROR, PUBLISH, Violation
from edge.mqtt.protocol.packet_reader import CONNACK, DISCONNECT, NAMES, PINGRESP, check_beginning
from edge.mqtt.protocol.reason_codes import Packet, explain, name_of
from edge.mqtt.protocol.versions import Rules, rules_of
from edge.mqtt.session import make_properties
from edge.routing import TRIGGER, matches
from edge.settings.host_names import joined
from edge.settings.loader import AuthMethod, Settings

_ANSWER_SECONDS = 30.0
_SESSION_SECONDS = 300
_WAITING_MESSAGES: Final = 100_000
_WAITING_BYTES: Final = 64 * 1024 * 1024
_LONGEST_PACKET: Final = 1024 * 1024
"""Bytes. Maximum Packet Size in CONNECT (MQTT 5, 3.1.2.11.4); a message has a few hundred."""
_UNSENT_PACKETS: Final = 10_000
_SUBACK, _QOS_2 = 0x90, 0x04


class SubscribeFailed(Exception):
    """The broker cannot be reached, or rejects connection or subscription; the text says why."""


class Subscriber:
    """A context manager that is subscribed at QoS 1. Entering it may raise SubscribeFailed or CredentialsUnavailable.

    topics: a topic filter.  commands: that of commands, which are no messages of the simulator.
    dropped: messages that arrived faster than they were read.  disconnects: lost connections;
    the session survives them for five minutes, and with MQTT 3.1.1 not at all.
    """

    def __init__(self, settings: Settings, topics: str, commands: str | None = None) -> None:
        self._settings, self._topics, self._commands = settings, topics, commands
        self._put_bytes = self._read_bytes = 0
        self._messages: queue.Queue[bytes | None] = queue.Queue()
        self._subscribed = threading.Event()
        self._refusal: str | None = None
        self._rules = rules_of(settings.mqtt_version)
        self._properties = self._make_properties(
            PacketTypes.CONNECT, SessionExpiryInterval=_SESSION_SECONDS, MaximumPacketSize=_LONGEST_PACKET
        )
        self._client = self._new_client()
        self.dropped = self.disconnects = 0

    def __enter__(self) -> Self:
        settings = self._settings
        where = joined(settings.mqtt_broker, settings.mqtt_port)
        try:
            self._set_credentials()
            self._client.connect(
                settings.mqtt_broker, settings.mqtt_port, settings.mqtt_keep_alive, properties=self._properties
            )
        except OSError as error:
            why = error if isinstance(error, NotReached) else error.strerror or error
            raise SubscribeFailed(f"cannot reach {where}: {why}") from None
        self._client.loop_start()
        if not self._subscribed.wait(_ANSWER_SECONDS):
            unanswered = "SUBSCRIBE" if self._client.is_connected() else "CONNECT"
            self._settle(f"{where} did not answer {unanswered} within {_ANSWER_SECONDS:g} s")
        if self._refusal is not None:
            self.__exit__()
            raise SubscribeFailed(self._refusal)
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect(properties=self._make_properties(PacketTypes.DISCONNECT, SessionExpiryInterval=0))
        self._client.end()

    def payloads(self, seconds: float) -> Iterator[bytes]:
        """Yield messages for this many seconds as lines, without retained ones, which are older, and commands."""
        timer = threading.Timer(seconds, self._messages.put, (None,))
        timer.start()
        try:
            while (payload := self._messages.get()) is not None:
                self._read_bytes += len(payload)
                yield payload
        finally:
            timer.cancel()

    def take(self) -> list[bytes]:
        """Return the messages that have arrived since the last call as lines, without waiting for any."""
        taken: list[bytes] = []
        with suppress(queue.Empty):
            while (line := self._messages.get_nowait()) is not None:
                self._read_bytes += len(line)
                taken.append(line)
        return taken

    def _new_client(self) -> _Client:
        client = _Client(f"{self._settings.mqtt_client_id}-verify", self._rules)
        client.on_pre_connect = self._refresh_token
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_disconnect = self._on_disconnect
        return client

    def _make_properties(self, packet: int, **values: object) -> Properties | None:
        return make_properties(packet, **values) if self._rules.has_properties else None

    def _set_credentials(self) -> None:
        """Set TLS and credentials as the simulator does."""
        settings = self._settings
        login = asyncio.run(_read_now(Reader(partial(Login.of, settings))))
        if login.context is not None:
            self._client.tls_set_context(cast("ssl.SSLContext", _ServerName(login.context, settings.tls_server_name)))
        if settings.mqtt_auth_method is AuthMethod.USERPASS:
            # paho takes bytes as they are, though its annotation says str.
            self._client.username_pw_set(settings.mqtt_username, cast("str | None", login.password))
        if login.token is not None and self._properties is not None:
            self._properties.AuthenticationMethod = SAT_METHOD
            self._properties.AuthenticationData = login.token.raw

    # called by paho

    def _refresh_token(self, _client: Client, _data: Any) -> None:
        """Read the token again before each connection; keep the current one if the file cannot be read."""
        if self._settings.mqtt_auth_method is AuthMethod.K8S_SAT and self._properties is not None:
            with suppress(CredentialsUnavailable):
                reader: Reader[Token] = Reader(partial(read_token, token_file(self._settings)))
                self._properties.AuthenticationData = asyncio.run(_read_now(reader)).raw

    def _on_connect(
        self, client: Client, _data: Any, flags: ConnectFlags, reason: ReasonCode, _: Properties | None
    ) -> None:
        if reason.is_failure:
            self._settle(f"the broker rejected the connection: {self._explain(Packet.CONNACK, reason)}")
        elif not flags.session_present:
            client.subscribe(self._topics, qos=1)

    def _on_subscribe(
        self, _client: Client, _data: Any, _mid: int, reasons: list[ReasonCode], _: Properties | None
    ) -> None:
        refused = next((reason for reason in reasons if reason.is_failure), None)
        why = f"the broker rejected the subscription to {self._topics}: " if refused else None
        self._settle(why and why + self._explain(Packet.SUBACK, refused))

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        if message.retain or (self._commands is not None and matches(self._commands, message.topic)):
            return
        line = _as_line(message)
        # The queue itself has no bound, so that the timer of `payloads` can always add the end mark.
        if self._messages.qsize() >= _WAITING_MESSAGES or self._put_bytes - self._read_bytes > _WAITING_BYTES:
            self.dropped += 1
            return
        self._put_bytes += len(line)
        self._messages.put(line)

    def _on_disconnect(
        self, _client: Client, _data: Any, flags: DisconnectFlags, reason: ReasonCode, _: Properties | None
    ) -> None:
        self.disconnects += reason.is_failure
        if self._client.violation:
            self._settle(f"closed the connection: the broker {self._client.violation}")
        elif flags.is_disconnect_packet_from_server:
            self._settle(f"the broker closed the connection: {self._explain(Packet.DISCONNECT, reason)}")
        else:
            self._settle("the connection was lost before the broker answered")

    def _explain(self, packet: Packet, reason: ReasonCode | None) -> str:
        code, settings = reason.value if reason else 0, self._settings
        return explain(packet, code, settings.mqtt_auth_method, version=settings.mqtt_version)

    def _settle(self, refusal: str | None) -> None:
        """Record the first answer; later ones do not count."""
        if not self._subscribed.is_set():
            self._refusal = refusal
            self._subscribed.set()


async def _read_now(reader: Reader[Any]) -> Any:
    """Read in an event loop of its own, as these threads have none."""
    return await reader.now()


class _Client(Client):
    """paho's client, restricted to the packets that a subscriber at QoS 1 may receive, up to a maximum size.

    violation: what the broker did, after which the client closed the connection.
    """

    violation = ""
    _begun = False

    def __init__(self, client_id: str, rules: Rules) -> None:
        super().__init__(CallbackAPIVersion.VERSION2, client_id, protocol=MQTTProtocolVersion(rules.level))
        self._rules = rules

    def end(self) -> None:
        """End paho's thread, and close the sockets that wake it, which paho leaves to the garbage collector."""
        self.loop_stop()
        self._reset_sockets()

    def _create_socket_connection(self) -> socket.socket:
        # paho would try the addresses of a name one after the other, five seconds each.
        self._begun = False
        return connected_socket(self._host, self._port)

    def _sock_recv(self, bufsize: int) -> bytes:
        if bufsize > _LONGEST_PACKET:
            self._end(PACKET_TOO_LARGE, f"sent a packet of {bufsize:,} bytes; the limit is {_LONGEST_PACKET:,}")
            raise ConnectionError(self.violation)
        data = super()._sock_recv(bufsize)
        if data and not self._begun:
            self._begun = True
            self._check_beginning(data)
        return data

    def _check_beginning(self, data: bytes) -> None:
        try:
            check_beginning(data)
        except Violation as violation:
            self._end(violation.code, str(violation))
            raise ConnectionError(self.violation) from None

    def _packet_handle(self) -> MQTTErrorCode:
        command, size = self._in_packet["command"], self._in_packet["remaining_length"]
        kind = command & 0xF0
        allowed = kind in {CONNACK, PINGRESP, DISCONNECT, _SUBACK} or (kind == PUBLISH and not command & _QOS_2)
        if not allowed:
            return self._end(PROTOCOL_ERROR, f"sent {NAMES.get(kind, 'no packet')}, which was not requested")
        if len(self._out_packet) > _UNSENT_PACKETS:
            return self._end(PROTOCOL_ERROR, "does not read acknowledgements")
        try:
            return super()._packet_handle()
        except Exception as error:  # noqa: BLE001 - it would end paho's thread without a trace
            return self._end(
                PROTOCOL_ERROR, f"sent a malformed {NAMES[kind]} of {size:,} bytes ({type(error).__name__})"
            )

    def _end(self, code: int, what: str) -> MQTTErrorCode:
        self.violation = f"{what} ({name_of(code)})"
        with suppress(OSError, AttributeError):
            self._sock_send(self._rules.disconnect_for(code))
        return MQTTErrorCode.MQTT_ERR_PROTOCOL


def _as_line(message: MQTTMessage) -> bytes:
    """Return topic, trigger and payload, in the form of a dry run's line."""
    trigger = dict(getattr(message.properties, "UserProperty", ())).get(TRIGGER)
    about = orjson.dumps({"topic": message.topic} | ({"user_properties": {TRIGGER: trigger}} if trigger else {}))
    return b'%b,"payload":%b}' % (about[:-1], bytes(message.payload))


class _ServerName:
    """A TLS context that expects a given name in the certificate, for which paho has no option.

    It also closes the socket when the handshake fails, which paho does not.
    """

    def __init__(self, context: ssl.SSLContext, name: str) -> None:
        self._context, self._name = context, name
        self.check_hostname = context.check_hostname

    def wrap_socket(self, sock: socket.socket, **options: Any) -> ssl.SSLSocket:
        wrapped = self._context.wrap_socket(sock, **options | {"server_hostname": self._name})
        try:
            wrapped.do_handshake()
        except OSError:
            wrapped.close()
            raise
        return wrapped
