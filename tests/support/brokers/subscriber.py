"""A subscriber that keeps everything it gets, in order: what a broker says against what the ledger says."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

_CONNECT_SECONDS = 10.0
# MQTT 5, 3.1.2.11.2: the broker keeps the session this long after the connection is gone.
_SESSION_EXPIRY_SECONDS = 3600


class Refused(ConnectionError):
    """The broker answered CONNECT with an error; `code` is the CONNACK's reason code (MQTT 5, 3.2.2.2)."""

    def __init__(self, reason: ReasonCode) -> None:
        super().__init__(f"CONNACK 0x{reason.value:02X} {reason}")
        self.code: int = reason.value


@dataclass(frozen=True)
class Access:
    """How to get in; the default is plain TCP without a name.

    ca_file: TLS, verified against this CA.  token: asked at every connect for the AuthenticationData of `method`.
    """

    ca_file: Path | None = None
    token: Callable[[], bytes] | None = None
    method: str = "K8S-SAT"
    username: str | None = None
    password: str | None = None
    cert_file: Path | None = None
    key_file: Path | None = None

    def apply(self, client: Client, connect: Properties) -> None:
        """Set up a client that has not connected yet, and the properties of its CONNECT."""
        if self.ca_file is not None:
            client.tls_set(str(self.ca_file), _text(self.cert_file), _text(self.key_file))
        if self.username is not None:
            client.username_pw_set(self.username, self.password)
        if self.token is not None:
            connect.AuthenticationMethod = self.method


class Record(NamedTuple):
    """One PUBLISH as received; expiry_seconds is what was left of it when the broker passed it on."""

    topic: str
    payload: bytes
    qos: int
    dup: bool
    retain: bool
    content_type: str | None
    payload_format: int | None
    expiry_seconds: int | None
    user_properties: tuple[tuple[str, str], ...]


def end_loop(client: Client) -> None:
    """Have paho's thread end, and close the sockets that wake it.

    paho leaves these to `__del__`, and where a collection of garbage comes to them before it comes to the client, they
    say that they are unclosed: in whatever test is running then.
    """
    client.loop_stop()
    client._reset_sockets()


class Recorder:
    """Context manager: subscribed on entering, or an OSError such as Refused; afterwards it reconnects by itself.

    records: everything received so far, in order.  sessions: of each successful CONNACK, whether the broker still had
    the session.  connack: properties of the latest, by name.
    """

    def __init__(
        self,
        port: int,
        access: Access | None = None,
        *,
        topics: Sequence[str] = ("#",),
        qos: int = 1,
        client_id: str | None = None,
    ) -> None:
        self._port = port
        self._access = access or Access()
        self._topics = [(topic, SubscribeOptions(qos=qos)) for topic in topics]
        self._arrived = threading.Condition()
        self._decided = threading.Event()
        self._failure: Exception | None = None
        self._last_at = time.monotonic()
        self._properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        self._client = self._new_client(client_id or f"recorder-{uuid.uuid4()}")
        self.records: list[Record] = []
        self.sessions: list[bool] = []
        self.connack: dict[str, Any] = {}

    def __enter__(self) -> Self:
        # Never a clean start: mosquitto 2.0 keeps no session on disk that has begun with one.
        self._client.connect("localhost", self._port, clean_start=False, properties=self._properties)
        self._client.loop_start()
        if not self._decided.wait(_CONNECT_SECONDS):
            self._failure = TimeoutError(f"no SUBACK within {_CONNECT_SECONDS} s")
        if self._failure is not None:
            self.__exit__()
            raise self._failure
        return self

    def __exit__(self, *_: object) -> None:
        """Leave, and have the broker forget the session: nobody will come for what it would keep."""
        farewell = Properties(PacketTypes.DISCONNECT)  # type: ignore[no-untyped-call]
        farewell.SessionExpiryInterval = 0
        self._client.disconnect(properties=farewell)
        end_loop(self._client)

    def wait_for(self, count: int, timeout_seconds: float = 10.0) -> list[Record]:
        """The records once there are at least `count`; AssertionError when there are not in time."""
        with self._arrived:
            enough = self._arrived.wait_for(lambda: len(self.records) >= count, timeout_seconds)
            assert enough, f"{len(self.records)} of {count} messages within {timeout_seconds} s"
            return list(self.records)

    def quiet_seconds(self) -> float:
        """For how long nothing has come."""
        return time.monotonic() - self._last_at

    def _new_client(self, client_id: str) -> Client:
        client = Client(CallbackAPIVersion.VERSION2, client_id, protocol=MQTTv5)
        self._access.apply(client, self._properties)
        self._properties.SessionExpiryInterval = _SESSION_EXPIRY_SECONDS
        client.reconnect_delay_set(1, 1)
        client.on_pre_connect = self._on_pre_connect
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        return client

    def _on_pre_connect(self, _client: Client, _userdata: Any) -> None:
        if self._access.token is not None:
            self._properties.AuthenticationData = self._access.token()

    def _on_connect(
        self, client: Client, _userdata: Any, flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if reason.is_failure:
            self._decide(Refused(reason))
            return
        self.sessions.append(flags.session_present)
        self.connack = _by_name(properties)
        if not flags.session_present or not self._decided.is_set():
            client.subscribe(self._topics)

    def _on_disconnect(
        self,
        _client: Client,
        _userdata: Any,
        _flags: DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        self._decide(ConnectionError(f"closed before SUBACK: {reason}"))

    def _on_subscribe(
        self, _client: Client, _userdata: Any, _mid: int, _reasons: list[ReasonCode], _properties: Properties | None
    ) -> None:
        self._decide(None)

    def _decide(self, failure: Exception | None) -> None:
        """Only the first attempt can fail for good; later ones, say during a restart, are repeated."""
        if not self._decided.is_set():
            self._failure = failure
            self._decided.set()
            if failure is not None:
                self._client.disconnect()

    def _on_message(self, _client: Client, _userdata: Any, message: MQTTMessage) -> None:
        record = _record(message)
        with self._arrived:
            self.records.append(record)
            self._last_at = time.monotonic()
            self._arrived.notify_all()


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _by_name(properties: Properties | None) -> dict[str, Any]:
    return dict(properties.json()) if properties else {}  # type: ignore[no-untyped-call]


def _record(message: MQTTMessage) -> Record:
    properties = message.properties
    return Record(
        topic=message.topic,
        payload=bytes(message.payload),
        qos=message.qos,
        dup=message.dup,
        retain=message.retain,
        content_type=getattr(properties, "ContentType", None),
        payload_format=getattr(properties, "PayloadFormatIndicator", None),
        expiry_seconds=getattr(properties, "MessageExpiryInterval", None),
        user_properties=tuple(getattr(properties, "UserProperty", ())),
    )
