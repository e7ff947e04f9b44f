"""Rows live from the broker, with the settings of the daemon: a client of its own, in paho's own thread."""

from __future__ import annotations

import queue
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final, Self, cast

import orjson
from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.connection import SAT_METHOD
from edge.credentials import CredentialsUnavailable, read_secret, read_token, tls_context
from edge.reasons import explain
from edge.session import make_properties
from edge.settings import AuthMethod, Settings
from edge.wire import TRIGGER

_ANSWER_SECONDS = 30.0
_SESSION_SECONDS = 300
_WAITING_MESSAGES: Final = 100_000


class CannotListen(Exception):
    """The broker cannot be reached, or does not let us listen; the text says why."""


class Listener:
    """Context manager: subscribed at QoS 1 on entering, or CannotListen or CredentialsUnavailable.

    topics: a topic filter.  lost: messages that came faster than they were read.  breaks: lost connections; the
    session is kept over them for five minutes.
    """

    def __init__(self, settings: Settings, topics: str) -> None:
        self._settings, self._topics = settings, topics
        self._messages: queue.Queue[bytes | None] = queue.Queue(_WAITING_MESSAGES)
        self._subscribed = threading.Event()
        self._refusal: str | None = None
        self._properties = make_properties(PacketTypes.CONNECT, SessionExpiryInterval=_SESSION_SECONDS)
        self._client = self._new_client()
        self.lost = self.breaks = 0

    def __enter__(self) -> Self:
        settings = self._settings
        where = f"{settings.mqtt_broker}:{settings.mqtt_port}"
        try:
            self._introduce()
            self._client.connect(
                settings.mqtt_broker, settings.mqtt_port, settings.mqtt_keep_alive, properties=self._properties
            )
        except OSError as error:
            raise CannotListen(f"cannot reach {where}: {error.strerror or error}") from None
        self._client.loop_start()
        if not self._subscribed.wait(_ANSWER_SECONDS):
            self._refusal = f"{where} did not answer within {_ANSWER_SECONDS:.0f} s"
        if self._refusal is not None:
            self.__exit__()
            raise CannotListen(self._refusal)
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect(properties=make_properties(PacketTypes.DISCONNECT, SessionExpiryInterval=0))
        self._client.loop_stop()

    def payloads(self, seconds: float) -> Iterator[bytes]:
        """What comes within so many seconds, a line each, retained messages apart: those are from before."""
        timer = threading.Timer(seconds, self._messages.put, (None,))
        timer.start()
        try:
            while (payload := self._messages.get()) is not None:
                yield payload
        finally:
            timer.cancel()

    def _new_client(self) -> Client:
        client = Client(CallbackAPIVersion.VERSION2, f"{self._settings.mqtt_client_id}-verify", protocol=MQTTv5)
        client.on_pre_connect = self._renew
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_disconnect = self._on_disconnect
        return client

    def _introduce(self) -> None:
        """Who we are, as the daemon would say it."""
        settings, method = self._settings, self._settings.mqtt_auth_method
        if (context := tls_context(settings)) is not None:
            self._client.tls_set_context(cast("ssl.SSLContext", _ServerName(context, settings.tls_server_name)))
        if method is AuthMethod.USERPASS and settings.mqtt_password_file is not None:
            password = read_secret(settings.mqtt_password_file, "password file")
            self._client.username_pw_set(settings.mqtt_username, password.decode())
        if method is AuthMethod.K8S_SAT:
            self._properties.AuthenticationMethod = SAT_METHOD
            self._properties.AuthenticationData = read_token(settings.sat_token_path).raw

    # called by paho

    def _renew(self, _client: Client, _data: Any) -> None:
        """A fresh token at each connect; while the file is away, the one we have."""
        if self._settings.mqtt_auth_method is AuthMethod.K8S_SAT:
            with suppress(CredentialsUnavailable):
                self._properties.AuthenticationData = read_token(self._settings.sat_token_path).raw

    def _on_connect(
        self, client: Client, _data: Any, flags: ConnectFlags, reason: ReasonCode, _: Properties | None
    ) -> None:
        if reason.is_failure:
            self._decide(f"the broker refused the connection: {explain(reason.value)}")
        elif not flags.session_present:
            client.subscribe(self._topics, qos=1)

    def _on_subscribe(
        self, _client: Client, _data: Any, _mid: int, reasons: list[ReasonCode], _: Properties | None
    ) -> None:
        refused = next((reason for reason in reasons if reason.is_failure), None)
        why = f"the broker refused the subscription to {self._topics}: {explain(refused.value)}" if refused else None
        self._decide(why)

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        if not message.retain:
            try:
                self._messages.put_nowait(_line(message))
            except queue.Full:
                self.lost += 1

    def _on_disconnect(
        self, _client: Client, _data: Any, _flags: DisconnectFlags, reason: ReasonCode, _: Properties | None
    ) -> None:
        self.breaks += reason.is_failure
        self._decide(f"the broker closed the connection: {explain(reason.value)}")

    def _decide(self, refusal: str | None) -> None:
        """The first answer counts."""
        if not self._subscribed.is_set():
            self._refusal = refusal
            self._subscribed.set()


def _line(message: MQTTMessage) -> bytes:
    """The payload; within a line as that of a dry run, where a property says what made it be said."""
    payload = bytes(message.payload)
    trigger = dict(getattr(message.properties, "UserProperty", ())).get(TRIGGER)
    properties = orjson.dumps({TRIGGER: trigger})
    return b'{"user_properties":%b,"payload":%b}' % (properties, payload) if trigger else payload


class _ServerName:
    """A TLS context that expects a name of our choice in the certificate, for which paho has no option.

    It also closes the socket when the handshake fails, which paho forgets.
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
