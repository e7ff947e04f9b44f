"""The options of the simulator, each declared once: type, rule, default, meaning, and the `AIO_*` name if any.

`edge.settings.loader` derives variables, flags, `--help` and the table in docs/configuration.md from them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from edge.settings.host_names import certificate_name
from edge.settings.types import (
    LOWER,
    STATS_INTERVAL_RULE,
    UPPER,
    AuthMethod,
    CatchUp,
    ClientId,
    Connections,
    DeviceClientId,
    FilePath,
    FourBytes,
    Host,
    HttpCompat,
    LogFormat,
    LogLevel,
    MqttVersion,
    Origins,
    Port,
    Qos,
    QueuePolicy,
    Secret,
    Shard,
    StatsInterval,
    StatusTopic,
    Text,
    TopicLayout,
    TopicPrefix,
    TwoBytes,
    UriReference,
)


class Option(NamedTuple):
    """What an option declares beside its type.

    group: of options, in `--help` and tables.  aliases: other variables for it, by priority.  default_text: describes a
    computed default.  rule: the valid values, where type and bounds do not describe them.
    """

    group: str
    aliases: tuple[str, ...] = ()
    default_text: str | None = None
    rule: str | None = None


_BROKER, _LOGIN, _TLS, _DELIVERY = "Broker", "Authentication", "TLS", "Delivery"
_MACHINES, _PLANT, _HTTP, _LOGS = "Connections of machines", "Plant", "HTTP", "Logs"


class Options(BaseModel):
    """The options, and the rules between them. An option's variable is its name in capitals."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True, allow_inf_nan=False)

    mqtt_broker: Annotated[Host, Option(_BROKER, ("MQTT_HOST", "AIO_BROKER_HOSTNAME"))] = Field(
        "localhost",
        description="Host name or address of the MQTT broker. A port after it sets MQTT_PORT; `mqtt://` or `mqtts://` "
        "before it sets MQTT_TLS.",
    )
    mqtt_port: Annotated[Port, Option(_BROKER, ("AIO_BROKER_TCP_PORT",))] = Field(
        18883, description="TCP port of the broker; 18883 is the default listener of Azure IoT Operations."
    )
    mqtt_version: Annotated[MqttVersion, Option(_BROKER)] = Field(
        MqttVersion.V5,
        description="Version of MQTT. 3.1.1 is for brokers without MQTT 5: messages have no properties then, and one "
        "that the broker refuses counts as delivered.",
    )
    mqtt_client_id: Annotated[
        ClientId, Option(_BROKER, ("AIO_MQTT_CLIENT_ID",), "factory-sim-{pid}; in a pod, the pod's name")
    ] = Field(
        "factory-sim",
        description="MQTT client id: unique at the broker and stable, so that the session is kept. With SHARD or "
        "WORKERS, part 3 of the plant appends `-3` to it.",
    )
    mqtt_keep_alive: Annotated[TwoBytes, Option(_BROKER, ("MQTT_KEEPALIVE", "AIO_MQTT_KEEP_ALIVE"))] = Field(
        60,
        description="Seconds without traffic before a ping; without an answer for 1.5 times this, the connection is "
        "closed.",
    )
    mqtt_session_expiry: Annotated[FourBytes, Option(_BROKER, ("AIO_MQTT_SESSION_EXPIRY",))] = Field(
        3600,
        description="Seconds for which the broker keeps the session of a lost connection. With MQTT 3.1.1 the default "
        "is 0, and with any other number the broker keeps it without end.",
    )
    mqtt_clean_start: Annotated[bool, Option(_BROKER, ("AIO_MQTT_CLEAN_START",))] = Field(
        default=False,
        description="Start the first connection with a new session; a reconnect always resumes its session.",
    )

    mqtt_auth_method: Annotated[AuthMethod, UPPER, Option(_LOGIN)] = Field(
        AuthMethod.K8S_SAT,
        description="How to log in: by Kubernetes service account token, password, client certificate, or not at all.",
    )
    sat_token_path: Annotated[FilePath, Option(_LOGIN, ("AIO_SAT_FILE",))] = Field(
        Path("/var/run/secrets/tokens/broker-sat"),
        description="File with the token for K8S-SAT; read again at every connect and whenever it changes.",
    )
    mqtt_username: Annotated[Text | None, Option(_LOGIN, ("AIO_MQTT_USERNAME",))] = Field(
        None, description="User name for USERPASS."
    )
    mqtt_password_file: Annotated[FilePath | None, Option(_LOGIN, ("AIO_MQTT_PASSWORD_FILE",))] = Field(
        None, description="File with the password for USERPASS; read again at every connect."
    )
    mqtt_password: Annotated[Secret | None, Option(_LOGIN)] = Field(
        None,
        description="The password itself, where a file is not possible. Other users may see it in the environment of "
        "the process; there is no flag for it.",
    )

    mqtt_tls: Annotated[bool, Option(_TLS, ("AIO_MQTT_USE_TLS",))] = Field(
        default=True, description="Encrypt the connection and verify the broker."
    )
    mqtt_ca_file: Annotated[FilePath | None, Option(_TLS, ("AIO_TLS_CA_FILE",), "the system's")] = Field(
        None, description="PEM file of the certificate authorities to trust; read again at every connect."
    )
    mqtt_cert_file: Annotated[FilePath | None, Option(_TLS, ("AIO_TLS_CERT_FILE",))] = Field(
        None, description="PEM file of the client certificate, for X509."
    )
    mqtt_key_file: Annotated[FilePath | None, Option(_TLS, ("AIO_TLS_KEY_FILE",))] = Field(
        None, description="PEM file of that certificate's private key."
    )
    mqtt_key_password_file: Annotated[FilePath | None, Option(_TLS, ("AIO_TLS_KEY_PASSWORD_FILE",))] = Field(
        None, description="File with the password of that key, if it has one."
    )
    mqtt_tls_server_name: Annotated[Host | None, Option(_TLS, default_text="the broker's host")] = Field(
        None, description="Name that the broker's certificate must have, if it is not the host in MQTT_BROKER."
    )
    mqtt_tls_insecure: Annotated[bool, Option(_TLS)] = Field(
        default=False,
        description="Do not verify the broker: any server that answers gets the credentials. For tests only.",
    )

    mqtt_topic_prefix: Annotated[TopicPrefix, Option(_DELIVERY)] = Field(
        "factory", description="First level, or levels, of every topic."
    )
    topic_layout: Annotated[TopicLayout, LOWER, Option(_DELIVERY)] = Field(
        TopicLayout.TYPE, description="One topic per machine `type`, or per `machine` with its id as the last level."
    )
    mqtt_qos: Annotated[Qos, Option(_DELIVERY)] = Field(
        1, description="Quality of service: 1 with acknowledgement, 0 without."
    )
    mqtt_window: Annotated[TwoBytes, Option(_DELIVERY)] = Field(
        100, description="The most messages in flight; never more than the broker's Receive Maximum."
    )
    mqtt_message_expiry: Annotated[FourBytes, Option(_DELIVERY)] = Field(
        3600, description="Seconds after which the broker drops a message that it could not deliver; 0 is never."
    )
    mqtt_cloud_events: Annotated[bool, Option(_DELIVERY)] = Field(
        default=True, description="Add the CloudEvents attributes to each message as user properties."
    )
    mqtt_cloud_events_source: Annotated[UriReference, Option(_DELIVERY)] = Field(
        "aio://edgemqttsim", description="The CloudEvents `source`: a URI that names this factory."
    )
    mqtt_commands: Annotated[bool, Option(_DELIVERY)] = Field(
        default=False,
        description="Take commands over MQTT: subscribe to the topic in the YAML's `commands`, and answer to the "
        "Response Topic of each.",
    )
    queue_size: Annotated[int, Field(ge=1, le=10_000_000), Option(_DELIVERY)] = Field(
        1000, description="The most messages queued while the broker is unreachable or slow."
    )
    queue_policy: Annotated[QueuePolicy, LOWER, Option(_DELIVERY)] = Field(
        QueuePolicy.DROP_OLDEST,
        description="What to drop when the queue is full: its oldest message or the new one; with `block` the plant "
        "waits.",
    )
    history_rate: Annotated[
        float | None,
        Field(ge=0, le=10_000_000),
        Option(_DELIVERY, (), "2000, or twice the plant's own rate if that is more; none with --speed max"),
    ] = Field(
        None,
        description="The most messages a second of history, and of what is due after a stall; 0 is no limit. "
        "Brokers drop messages for which a subscriber is too slow.",
    )
    drain_seconds: Annotated[float, Field(ge=0, le=3600), Option(_DELIVERY)] = Field(
        10.0, description="Seconds at shutdown to wait for acknowledgements; the pod's grace period must be longer."
    )

    mqtt_connections: Annotated[Connections, LOWER, Option(_MACHINES)] = Field(
        Connections.SHARED,
        description="One connection for the whole plant (`shared`, the fast one), or one for each machine "
        "(`per_machine`), which announces itself and has a last will.",
    )
    mqtt_device_client_id: Annotated[DeviceClientId, Option(_MACHINES)] = Field(
        "{client_id}-{machine_id}",
        description="With MQTT_CONNECTIONS=per_machine: the client id of a machine, made of {client_id}, which is "
        "MQTT_CLIENT_ID, and {machine_id}.",
    )
    mqtt_status_topic: Annotated[StatusTopic, Option(_MACHINES)] = Field(
        "{prefix}/status/{machine_id}",
        description="With MQTT_CONNECTIONS=per_machine: where a machine announces that it is online or offline, "
        "retained; over {prefix} {type} {machine_id} {station_id}.",
    )
    mqtt_connect_rate: Annotated[float, Field(ge=0, le=100_000), Option(_MACHINES)] = Field(
        200.0,
        description="With MQTT_CONNECTIONS=per_machine: the most attempts to connect in a second, unevenly spread; 0 "
        "is no limit.",
    )
    mqtt_device_logins: Annotated[FilePath | None, Option(_MACHINES)] = Field(
        None,
        description="With MQTT_CONNECTIONS=per_machine and USERPASS: CSV file with the columns machine_id, username, "
        "password; read again when it changes.",
    )

    message_config_path: Annotated[FilePath, Option(_PLANT)] = Field(
        Path("message_structure.yaml"), description="YAML file of the plant; a change is applied within seconds."
    )
    reload_seconds: Annotated[float, Field(ge=0.1, le=3600), Option(_PLANT)] = Field(
        1.0, description="Seconds between checks whether the plant's file has changed."
    )
    seed: Annotated[Text | None, Option(_PLANT, default_text="a new one each run")] = Field(
        None, description="Seed of the random numbers: same seed, plant and start give the same messages."
    )

    catch_up: Annotated[CatchUp, LOWER, Option(_PLANT)] = Field(
        CatchUp.BURST,
        description="After a stall of more than a second, or if the clock was set forward: emit all messages that were "
        "due (burst), omit them (skip), or emit them later, with plant time behind the clock (stretch).",
    )
    shard: Annotated[Shard, Option(_PLANT)] = Field(
        "1/1",
        description="Which part of the plant this process simulates: 2/4 is the second of four; ordinal/4 takes it "
        "from the end of POD_NAME in a StatefulSet of 4 replicas. Needs SEED.",
    )
    workers: Annotated[int, Field(ge=1, le=256), Option(_PLANT)] = Field(
        1, description="Number of processes, one for each core: each simulates a part, with a connection of its own."
    )
    auto_start: Annotated[bool, Option(_PLANT)] = Field(
        default=True,
        description="Start all machines with the run; otherwise they are stopped until a command starts them.",
    )

    http_host: Annotated[Host, Option(_HTTP)] = Field(
        "127.0.0.1", description="Address on which the HTTP port listens; 0.0.0.0 is all addresses."
    )
    http_port: Annotated[int, Field(ge=0, le=65535), Option(_HTTP)] = Field(
        8080, description="Port of metrics, probes and API; 0 turns it off."
    )
    http_token_file: Annotated[FilePath | None, Option(_HTTP, default_text="none: only from loopback")] = Field(
        None, description="File with the bearer token for calls that change something; read again at each call."
    )

    http_cors_origins: Annotated[Origins | None, Option(_HTTP)] = Field(
        None,
        description="Origins of web pages that may call the HTTP port from a browser, comma-separated, such as "
        "`https://app.example.com`; what changes anything needs the token as well.",
    )
    http_compat: Annotated[HttpCompat, LOWER, Option(_HTTP)] = Field(
        HttpCompat.NONE,
        description="Answer the calls of another simulator as well, and take its variables: `enms` is an energy plant, "
        "`fleet` a fleet of sensors, `vf` the WebSocket of an MQTT sandbox.",
    )
    fleet_max_devices: Annotated[int, Field(ge=1, le=1_000_000), Option(_HTTP, ("SIMULATION_MAX_DEVICES",))] = Field(
        10_000, description="With HTTP_COMPAT=fleet: the most devices that /start and /scale give; more are cut to it."
    )

    stats_interval: Annotated[StatsInterval, Option(_LOGS, rule=STATS_INTERVAL_RULE)] = Field(
        30.0, description="Seconds between statistics; 0 is only at shutdown."
    )
    log_level: Annotated[LogLevel, LOWER, Option(_LOGS)] = Field(
        LogLevel.INFO, description="Lowest severity that is logged."
    )
    log_format: Annotated[LogFormat, LOWER, Option(_LOGS)] = Field(
        LogFormat.TEXT, description="Text for people, or one JSON object a line."
    )

    trace_rate: Annotated[float, Field(ge=0, le=1000), Option(_LOGS)] = Field(
        1.0,
        description="The most messages a second that are traced beside those that follow a command, where "
        "OTEL_EXPORTER_OTLP_ENDPOINT turns tracing on.",
    )

    @property
    def tls_server_name(self) -> str:
        """The name that the broker's certificate must have."""
        return certificate_name(self.mqtt_tls_server_name or self.mqtt_broker)

    @property
    def cors_origins(self) -> tuple[str, ...]:
        """HTTP_CORS_ORIGINS, one by one."""
        return tuple((self.http_cors_origins or "").split(",")) if self.http_cors_origins else ()

    @property
    def part(self) -> tuple[int, int]:
        """SHARD as numbers: part k of n."""
        part, _, parts = self.shard.partition("/")
        return int(part), int(parts)

    @model_validator(mode="after")
    def _options_agree(self) -> Self:
        mistakes = [text for text, broken in _disagreements(self).items() if broken]
        if mistakes:
            raise ValueError("\n".join(mistakes))
        return self


def _disagreements(s: Options) -> dict[str, bool]:
    """Return the rules between options: the error -> whether it applies."""
    method = s.mqtt_auth_method
    password, certificate = method is AuthMethod.USERPASS, method is AuthMethod.X509
    name, name_file, secret = (value is not None for value in (s.mqtt_username, s.mqtt_password_file, s.mqtt_password))
    # Some brokers ask for a name alone (MQTT 5, 3.1.2.9), and its users have such logins.
    table = s.mqtt_device_logins is not None
    needs_secret = not (name_file or secret or table or s.http_compat is HttpCompat.ENMS)
    cert, key = s.mqtt_cert_file is not None, s.mqtt_key_file is not None
    token_needs = s.mqtt_version is not MqttVersion.V5 and method is AuthMethod.K8S_SAT
    return {
        "MQTT_VERSION: K8S-SAT needs MQTT 5, as no other version can carry its token; set MQTT_VERSION=5, or "
        "MQTT_AUTH_METHOD to USERPASS, X509 or NONE": token_needs,
        "MQTT_USERNAME: must be set with MQTT_AUTH_METHOD=USERPASS": password and not (name or table),
        "MQTT_PASSWORD_FILE: must be set with MQTT_AUTH_METHOD=USERPASS": password and needs_secret,
        "MQTT_DEVICE_LOGINS: applies only with MQTT_AUTH_METHOD=USERPASS and MQTT_CONNECTIONS=per_machine": table
        and not (password and s.mqtt_connections is Connections.PER_MACHINE),
        f"MQTT_USERNAME: applies only with MQTT_AUTH_METHOD=USERPASS, not {method}": name and not password,
        f"MQTT_PASSWORD_FILE: applies only with MQTT_AUTH_METHOD=USERPASS, not {method}": name_file and not password,
        f"MQTT_PASSWORD: applies only with MQTT_AUTH_METHOD=USERPASS, not {method}": secret and not password,
        "MQTT_PASSWORD: applies only without MQTT_PASSWORD_FILE": secret and name_file,
        "MQTT_CERT_FILE: must be set with MQTT_AUTH_METHOD=X509 and with MQTT_KEY_FILE": not cert and certificate | key,
        "MQTT_KEY_FILE: must be set with MQTT_AUTH_METHOD=X509 and with MQTT_CERT_FILE": not key and certificate | cert,
        "MQTT_KEY_PASSWORD_FILE: applies only with MQTT_KEY_FILE": s.mqtt_key_password_file is not None and not key,
        "MQTT_TLS: must be true with MQTT_AUTH_METHOD=X509": certificate and not s.mqtt_tls,
        "SHARD: needs SEED, the same for all parts": s.shard != "1/1" and s.seed is None,
        "MQTT_TLS_INSECURE: applies only with MQTT_TLS=true": s.mqtt_tls_insecure and not s.mqtt_tls,
    }
