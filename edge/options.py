"""Every option of the daemon, declared once: type, rule, default, meaning, and the `AIO_*` name where there is one.

Variables, flags, `--help` and the README's table are read off this declaration by `edge.settings`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from edge.hosts import certificate_name
from edge.outbox import Policy
from edge.values import (
    LOWER,
    STATS_INTERVAL_RULE,
    UPPER,
    AuthMethod,
    CatchUp,
    ClientId,
    FilePath,
    FourBytes,
    Host,
    LogFormat,
    LogLevel,
    Port,
    Secret,
    Shard,
    StatsInterval,
    Text,
    TopicLayout,
    TopicPrefix,
    TwoBytes,
    UriReference,
)


class Option(NamedTuple):
    """What a field says beside its type.

    group: it is shown in.  aliases: other variables for it, those that win first.  default_text: how a computed
    default reads.  rule: what it takes, where that is more than type and bounds.
    """

    group: str
    aliases: tuple[str, ...] = ()
    default_text: str | None = None
    rule: str | None = None


_BROKER, _LOGIN, _TLS, _DELIVERY = "Broker", "Authentication", "TLS", "Delivery"
_PLANT, _HTTP, _LOGS = "Plant", "HTTP", "Logs"


class Options(BaseModel):
    """The options and the rules between them. An option's variable is its name in capitals."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True, allow_inf_nan=False)

    mqtt_broker: Annotated[Host, Option(_BROKER, ("MQTT_HOST", "AIO_BROKER_HOSTNAME"))] = Field(
        "localhost",
        description="Host name or address of the MQTT broker. A port after it sets MQTT_PORT, `mqtt://` and `mqtts://` "
        "before it MQTT_TLS.",
    )
    mqtt_port: Annotated[Port, Option(_BROKER, ("AIO_BROKER_TCP_PORT",))] = Field(
        18883, description="TCP port of the broker; 18883 is the default listener of Azure IoT Operations."
    )
    mqtt_client_id: Annotated[
        ClientId, Option(_BROKER, ("AIO_MQTT_CLIENT_ID",), "factory-sim-{pid}; in a pod, the pod's name")
    ] = Field(
        "factory-sim",
        description="MQTT client id: unique at the broker and, so that a session is kept, stable. Of a plant in parts "
        "(SHARD, WORKERS), part 3 adds `-3` to it.",
    )
    mqtt_keep_alive: Annotated[TwoBytes, Option(_BROKER, ("MQTT_KEEPALIVE", "AIO_MQTT_KEEP_ALIVE"))] = Field(
        60, description="Seconds of silence before a ping; a link that owes an answer for 1.5 times this is dropped."
    )
    mqtt_session_expiry: Annotated[FourBytes, Option(_BROKER, ("AIO_MQTT_SESSION_EXPIRY",))] = Field(
        3600, description="Seconds for which the broker keeps the session of a lost connection."
    )
    mqtt_clean_start: Annotated[bool, Option(_BROKER, ("AIO_MQTT_CLEAN_START",))] = Field(
        default=False, description="Begin the first connection with a new session; a reconnect always keeps its own."
    )

    mqtt_auth_method: Annotated[AuthMethod, UPPER, Option(_LOGIN)] = Field(
        AuthMethod.K8S_SAT,
        description="Login by Kubernetes service account token, password, certificate, or not at all.",
    )
    sat_token_path: Annotated[FilePath, Option(_LOGIN, ("AIO_SAT_FILE",))] = Field(
        Path("/var/run/secrets/tokens/broker-sat"),
        description="File with the token for K8S-SAT; read anew at every connect and whenever it changes.",
    )
    mqtt_username: Annotated[Text | None, Option(_LOGIN, ("AIO_MQTT_USERNAME",))] = Field(
        None, description="User name for USERPASS."
    )
    mqtt_password_file: Annotated[FilePath | None, Option(_LOGIN, ("AIO_MQTT_PASSWORD_FILE",))] = Field(
        None, description="File with the password for USERPASS; read anew at every connect."
    )
    mqtt_password: Annotated[Secret | None, Option(_LOGIN)] = Field(
        None,
        description="The password itself, where no file can be had. Others may see it in the environment of the "
        "process, so there is no flag for it.",
    )

    mqtt_tls: Annotated[bool, Option(_TLS, ("AIO_MQTT_USE_TLS",))] = Field(
        default=True, description="Encrypt the connection and verify the broker."
    )
    mqtt_ca_file: Annotated[FilePath | None, Option(_TLS, ("AIO_TLS_CA_FILE",), "the system's")] = Field(
        None, description="PEM file of the certificate authorities to trust; read anew at every connect."
    )
    mqtt_cert_file: Annotated[FilePath | None, Option(_TLS, ("AIO_TLS_CERT_FILE",))] = Field(
        None, description="PEM file of our certificate, for X509."
    )
    mqtt_key_file: Annotated[FilePath | None, Option(_TLS, ("AIO_TLS_KEY_FILE",))] = Field(
        None, description="PEM file of that certificate's private key."
    )
    mqtt_key_password_file: Annotated[FilePath | None, Option(_TLS, ("AIO_TLS_KEY_PASSWORD_FILE",))] = Field(
        None, description="File with the password of that key, if it has one."
    )
    mqtt_tls_server_name: Annotated[Host | None, Option(_TLS, default_text="the broker's host")] = Field(
        None, description="Name that the broker's certificate must bear, where that is not the name we connect to."
    )
    mqtt_tls_insecure: Annotated[bool, Option(_TLS)] = Field(
        default=False, description="Do not verify the broker: whoever answers gets our credentials. For tests only."
    )

    mqtt_topic_prefix: Annotated[TopicPrefix, Option(_DELIVERY)] = Field(
        "factory", description="First level, or levels, of every topic."
    )
    topic_layout: Annotated[TopicLayout, LOWER, Option(_DELIVERY)] = Field(
        TopicLayout.TYPE, description="One topic per machine `type`, or per `machine`: its id is the last level then."
    )
    mqtt_qos: Annotated[int, Field(ge=0, le=1), Option(_DELIVERY)] = Field(
        1, description="Quality of service: 1 is acknowledged, 0 is written and forgotten."
    )
    mqtt_window: Annotated[TwoBytes, Option(_DELIVERY)] = Field(
        100, description="Messages in flight at most; never more than the broker's Receive Maximum."
    )
    mqtt_message_expiry: Annotated[FourBytes, Option(_DELIVERY)] = Field(
        3600, description="Seconds after which the broker drops what it could not deliver; 0 is never."
    )
    mqtt_cloud_events: Annotated[bool, Option(_DELIVERY)] = Field(
        default=True, description="Give each message the CloudEvents attributes as user properties."
    )
    mqtt_cloud_events_source: Annotated[UriReference, Option(_DELIVERY)] = Field(
        "aio://edgemqttsim", description="The CloudEvents `source`: a URI that names this factory."
    )
    queue_size: Annotated[int, Field(ge=1, le=10_000_000), Option(_DELIVERY)] = Field(
        1000, description="Messages kept while the broker is away or slow."
    )
    queue_policy: Annotated[Policy, LOWER, Option(_DELIVERY)] = Field(
        Policy.DROP_OLDEST, description="What gives way when the queue is full; with `block` the plant waits."
    )
    history_rate: Annotated[
        float | None,
        Field(ge=0, le=10_000_000),
        Option(_DELIVERY, (), "2000, or twice the plant's own rate if that is more; none with --speed max"),
    ] = Field(
        None,
        description="Messages a second, at most, of history and of what a stall has left to say; 0 is no limit. "
        "Brokers drop what a subscriber is too slow for.",
    )
    drain_seconds: Annotated[float, Field(ge=0, le=3600), Option(_DELIVERY)] = Field(
        10.0, description="Seconds at shutdown to get the rest acknowledged; the pod's grace period must be longer."
    )

    message_config_path: Annotated[FilePath, Option(_PLANT)] = Field(
        Path("message_structure.yaml"), description="YAML file of the plant; a change is in force within seconds."
    )
    reload_seconds: Annotated[float, Field(ge=0.1, le=3600), Option(_PLANT)] = Field(
        1.0, description="Seconds between looks at the plant's file, which is followed as it changes."
    )
    seed: Annotated[Text | None, Option(_PLANT, default_text="a new one each run")] = Field(
        None, description="Same seed, plant and start: same messages."
    )

    catch_up: Annotated[CatchUp, LOWER, Option(_PLANT)] = Field(
        CatchUp.BURST,
        description="After more than a second's stall, or where the clock was set forward: say all that was due "
        "(burst), leave it out (skip), or say it later, plant time then lagging behind (stretch).",
    )
    shard: Annotated[Shard, Option(_PLANT)] = Field(
        "1/1",
        description="Which part of the plant this process plays: 2/4 is the second of four; ordinal/4 takes it from "
        "the end of POD_NAME in a StatefulSet of 4 replicas. Needs SEED.",
    )
    workers: Annotated[int, Field(ge=1, le=256), Option(_PLANT)] = Field(
        1, description="Processes to play it with, one for each core: each is a part with a connection of its own."
    )

    http_host: Annotated[Host, Option(_HTTP)] = Field(
        "127.0.0.1", description="Address on which the HTTP port listens; 0.0.0.0 is all of them."
    )
    http_port: Annotated[int, Field(ge=0, le=65535), Option(_HTTP)] = Field(
        8080, description="Port of metrics, probes and API; 0 is off."
    )
    http_token_file: Annotated[FilePath | None, Option(_HTTP, default_text="none: only loopback may")] = Field(
        None, description="File with the bearer token for calls that change anything; read anew at each call."
    )

    stats_interval: Annotated[StatsInterval, Option(_LOGS, rule=STATS_INTERVAL_RULE)] = Field(
        30.0, description="Seconds between statistics; 0 is only at the end."
    )
    log_level: Annotated[LogLevel, LOWER, Option(_LOGS)] = Field(
        LogLevel.INFO, description="Least severity that is logged."
    )
    log_format: Annotated[LogFormat, LOWER, Option(_LOGS)] = Field(
        LogFormat.TEXT, description="Lines for people, or one JSON object a line."
    )

    @property
    def tls_server_name(self) -> str:
        """The name to verify the broker's certificate against."""
        return certificate_name(self.mqtt_tls_server_name or self.mqtt_broker)

    @property
    def part(self) -> tuple[int, int]:
        """SHARD as numbers: the k-th of n."""
        part, _, parts = self.shard.partition("/")
        return int(part), int(parts)

    @model_validator(mode="after")
    def _options_agree(self) -> Self:
        mistakes = [text for text, broken in _disagreements(self).items() if broken]
        if mistakes:
            raise ValueError("\n".join(mistakes))
        return self


def _disagreements(s: Options) -> dict[str, bool]:
    """Rules between options: what is wrong -> whether it is."""
    method = s.mqtt_auth_method
    password, certificate = method is AuthMethod.USERPASS, method is AuthMethod.X509
    name, name_file, secret = (value is not None for value in (s.mqtt_username, s.mqtt_password_file, s.mqtt_password))
    cert, key = s.mqtt_cert_file is not None, s.mqtt_key_file is not None
    return {
        "MQTT_USERNAME: must be set with MQTT_AUTH_METHOD=USERPASS": password and not name,
        "MQTT_PASSWORD_FILE: must be set with MQTT_AUTH_METHOD=USERPASS": password and not (name_file or secret),
        f"MQTT_USERNAME: goes only with MQTT_AUTH_METHOD=USERPASS, not {method}": name and not password,
        f"MQTT_PASSWORD_FILE: goes only with MQTT_AUTH_METHOD=USERPASS, not {method}": name_file and not password,
        f"MQTT_PASSWORD: goes only with MQTT_AUTH_METHOD=USERPASS, not {method}": secret and not password,
        "MQTT_PASSWORD: goes only without MQTT_PASSWORD_FILE": secret and name_file,
        "MQTT_CERT_FILE: must be set with MQTT_AUTH_METHOD=X509 and with MQTT_KEY_FILE": not cert and certificate | key,
        "MQTT_KEY_FILE: must be set with MQTT_AUTH_METHOD=X509 and with MQTT_CERT_FILE": not key and certificate | cert,
        "MQTT_KEY_PASSWORD_FILE: goes only with MQTT_KEY_FILE": s.mqtt_key_password_file is not None and not key,
        "MQTT_TLS: must be true with MQTT_AUTH_METHOD=X509": certificate and not s.mqtt_tls,
        "SHARD: needs SEED, the same for all parts": s.shard != "1/1" and s.seed is None,
        "MQTT_TLS_INSECURE: goes only with MQTT_TLS=true": s.mqtt_tls_insecure and not s.mqtt_tls,
    }
