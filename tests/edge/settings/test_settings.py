"""Facts about the options: environment and flags in, one checked model or a line per mistake out."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cli import commands
from cli.options.preflight import PreflightOptions
from edge.runtime.run_options import RunOptions, UsageError
from edge.settings.environment_warnings import unknown_variables, warnings_about
from edge.settings.loader import (
    AuthMethod,
    LogFormat,
    Settings,
    SettingsError,
    add_flags,
    describe,
    markdown_table,
    variables,
)
from edge.settings.types import QueuePolicy
from tests.support.processes.options import parsed


def load(**environ: str) -> Settings:
    """Settings of an environment."""
    return Settings.load(environ, pid=7)


def mistakes(environ: Mapping[str, str], flags: Mapping[str, object] | None = None) -> list[str]:
    """The lines that an environment is refused with."""
    with pytest.raises(SettingsError) as refusal:
        Settings.load(environ, flags, pid=7)
    return refusal.value.mistakes


def parse(*arguments: str) -> dict[str, object]:
    """Flags as the command line gives them."""
    parser = argparse.ArgumentParser()
    add_flags(parser)
    return vars(parser.parse_args(arguments))


BROKER_RULE = "a host, host:port, mqtt://host:port or mqtts://host:port"
SHARD_RULE = "a part such as 2/4, the second of four, or ordinal/4 in a StatefulSet; six digits at most"


def test_an_empty_environment_gives_the_documented_defaults() -> None:
    """The defaults are those that users of the original know."""
    settings = load()

    assert (settings.mqtt_broker, settings.mqtt_port, settings.mqtt_topic_prefix) == ("localhost", 18883, "factory")
    assert settings.mqtt_auth_method is AuthMethod.K8S_SAT
    assert settings.sat_token_path == Path("/var/run/secrets/tokens/broker-sat")
    assert settings.message_config_path == Path("message_structure.yaml")
    assert (settings.queue_size, settings.queue_policy, settings.mqtt_window) == (1000, QueuePolicy.DROP_OLDEST, 100)
    assert (settings.http_host, settings.http_port, settings.stats_interval) == ("127.0.0.1", 8080, 30)


@pytest.mark.parametrize(
    ("environ", "client_id"),
    [
        ({}, "factory-sim-7"),
        ({"HOSTNAME": "laptop"}, "factory-sim-7"),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1", "HOSTNAME": "edgemqttsim-5f-x"}, "edgemqttsim-5f-x"),
        ({"POD_NAME": "edgemqttsim-0", "KUBERNETES_SERVICE_HOST": "10.0.0.1", "HOSTNAME": "node"}, "edgemqttsim-0"),
        ({"POD_NAME": "edgemqttsim-0", "MQTT_CLIENT_ID": "mine"}, "mine"),
        ({"POD_NAME": "edgemqttsim-0", "AIO_MQTT_CLIENT_ID": "mine"}, "mine"),
    ],
)
def test_the_client_id_is_the_pods_name_or_made_of_the_pid(environ: dict[str, str], client_id: str) -> None:
    """In a pod the pid is always 1, so that the pod's name has to tell replicas apart."""
    assert load(**environ).mqtt_client_id == client_id


def test_flags_win_over_our_variables_and_those_over_the_sdks() -> None:
    """The nearest to the user decides."""
    environ = {"AIO_BROKER_HOSTNAME": "sdk", "AIO_BROKER_TCP_PORT": "1", "MQTT_PORT": "2", "MQTT_WINDOW": "3"}

    settings = Settings.load(environ, parse("--mqtt-window", "4"), pid=7)

    assert (settings.mqtt_broker, settings.mqtt_port, settings.mqtt_window) == ("sdk", 2, 4)


@pytest.mark.parametrize("name", [name for name in Settings.model_fields if len(variables(name)) > 1])
def test_an_alias_is_the_same_option(name: str) -> None:
    """A bad value under another name is refused, or a good one taken, just as under ours."""
    ours, *others = variables(name)

    for alias in others:
        assert outcome({ours: "7"}) == outcome({alias: "7"}).replace(alias, ours)


def outcome(environ: dict[str, str]) -> str:
    """What loading an environment comes to, in words."""
    try:
        return repr(Settings.load(environ, pid=7))
    except SettingsError as error:
        return str(error)


def test_an_empty_or_blank_variable_counts_as_unset() -> None:
    """Manifests often carry empty values."""
    assert load(MQTT_PORT="", MQTT_CA_FILE="  ", MQTT_CLIENT_ID="") == load()


@pytest.mark.parametrize(
    ("variable", "value", "rule"),
    [
        ("MQTT_PORT", "0", "a whole number from 1 to 65535"),
        ("MQTT_PORT", "65536", "a whole number from 1 to 65535"),
        ("MQTT_PORT", "1883.5", "a whole number from 1 to 65535"),
        ("MQTT_QOS", "3", "a whole number from 0 to 1"),
        (
            "MQTT_QOS",
            "2",
            (
                "0 or 1 (QoS 2 is used with neither version of MQTT: to deliver exactly once costs two round trips a "
                "message; with MQTT 5 each message has an id and a sequence number instead, which show what came twice)"
            ),
        ),
        ("MQTT_VERSION", "3.1", "one of 5, 3.1.1"),
        ("MQTT_TLS", "maybe", "true or false"),
        ("MQTT_BROKER", "a..b", "a host name or an IP address"),
        ("MQTT_BROKER", "x" * 64, "a host name or an IP address"),
        ("MQTT_BROKER", "[broker]", "a host name or an IP address"),
        ("MQTT_BROKER", "fe80::1%", "a host name or an IP address"),
        (
            "MQTT_BROKER",
            "☃☃.example",
            "a host name or an IP address; letters other than a to z must be allowed by IDNA 2008",
        ),
        ("MQTT_BROKER", "broker:", f"{BROKER_RULE}, with a port from 1 to 65535"),
        ("MQTT_BROKER", "broker:65536", f"{BROKER_RULE}, with a port from 1 to 65535"),
        ("MQTT_BROKER", "broker:١٢٣", f"{BROKER_RULE}, with a port from 1 to 65535"),
        ("MQTT_BROKER", "wss://broker", f"{BROKER_RULE}, as WebSockets are not supported"),
        ("MQTT_BROKER", "amqp://broker", BROKER_RULE),
        ("MQTT_BROKER", "mqtt://broker/factory", "a host name or an IP address"),
        ("HTTP_HOST", "http://0.0.0.0", "a host name or an IP address"),
        ("MQTT_AUTH_METHOD", "BASIC", "one of K8S-SAT, USERPASS, X509, NONE"),
        ("QUEUE_POLICY", "drop", "one of drop-oldest, drop-newest, block"),
        ("STATS_INTERVAL", "nan", "0, or a number from 0.1 to 86400"),
        ("STATS_INTERVAL", "1e-9", "0, or a number from 0.1 to 86400"),
        ("STATS_INTERVAL", "1e400", "0, or a number from 0.1 to 86400"),
        ("SHARD", "9" * 5000 + "/4", SHARD_RULE),
        ("SHARD", "1/" + "9" * 5000, SHARD_RULE),
        ("SHARD", "\u0661/\u0662", SHARD_RULE),
        ("MQTT_CA_FILE", "a\nb", "a path of 1 to 4095 bytes without control characters"),
        ("MESSAGE_CONFIG_PATH", "x" * 100_000, "a path of 1 to 4095 bytes without control characters"),
        ("MQTT_USERNAME", "a\0b", "1 to 65535 bytes of text without control characters"),
        ("DRAIN_SECONDS", "inf", "a number from 0 to 3600"),
        ("QUEUE_SIZE", "9" * 5000, "a whole number from 1 to 10000000"),
        (
            "MQTT_CLOUD_EVENTS_SOURCE",
            "my plant",
            "a URI reference (RFC 3986) such as aio://plant-1/factory, of 8000 bytes at most",
        ),
        (
            "MQTT_CLOUD_EVENTS_SOURCE",
            "x" * 8_001,
            "a URI reference (RFC 3986) such as aio://plant-1/factory, of 8000 bytes at most",
        ),
        ("MQTT_CLIENT_ID", "x" * 65_001, "1 to 65000 bytes of text without control characters"),
        ("MQTT_TOPIC_PREFIX", "x" * 65_536, "1 to 65535 bytes of text without control characters"),
        ("SEED", "\udcff", "text"),
    ],
)
def test_a_bad_value_is_refused_with_variable_rule_and_value(variable: str, value: str, rule: str) -> None:
    """One line that names all three; a very long value is cut."""
    (line,) = mistakes({variable: value})

    assert line == f"{variable}: must be {rule}, not {repr(value)[:200]}"


@pytest.mark.parametrize("prefix", ["a+b", "#", "/factory", "factory/", "a//b", "a\0b"])
def test_a_topic_prefix_has_no_wildcards_empty_levels_or_nul(prefix: str) -> None:
    """What MQTT forbids in a published topic, and what is always a slip."""
    (line,) = mistakes({"MQTT_TOPIC_PREFIX": prefix})

    assert line.startswith("MQTT_TOPIC_PREFIX: must be ")


def test_all_mistakes_are_told_at_once_each_by_the_name_that_was_used() -> None:
    """A flag is named as a flag, an alias as the alias."""
    lines = mistakes({"AIO_BROKER_TCP_PORT": "x", "LOG_FORMAT": "xml"}, parse("--queue-size", "0"))

    assert [line.split(":")[0] for line in lines] == ["AIO_BROKER_TCP_PORT", "--queue-size", "LOG_FORMAT"]


def test_a_port_that_kubernetes_has_overwritten_is_explained() -> None:
    """A service called `mqtt` puts MQTT_PORT=tcp://... into every pod beside it."""
    (line,) = mistakes({"MQTT_PORT": "tcp://10.0.0.7:1883"})

    assert "enableServiceLinks" in line


X509_FILES = {"MQTT_CERT_FILE": "c.pem", "MQTT_KEY_FILE": "k.pem"}


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"MQTT_AUTH_METHOD": "USERPASS"}, ["MQTT_USERNAME", "MQTT_PASSWORD_FILE"]),
        ({"MQTT_AUTH_METHOD": "USERPASS", "MQTT_USERNAME": "u"}, ["MQTT_PASSWORD_FILE"]),
        ({"MQTT_AUTH_METHOD": "X509"}, ["MQTT_CERT_FILE", "MQTT_KEY_FILE"]),
        ({"MQTT_AUTH_METHOD": "X509", "MQTT_TLS": "false", **X509_FILES}, ["MQTT_TLS"]),
        ({"MQTT_USERNAME": "u"}, ["MQTT_USERNAME"]),
        ({"MQTT_PASSWORD_FILE": "p"}, ["MQTT_PASSWORD_FILE"]),
        ({"MQTT_PASSWORD": "p"}, ["MQTT_PASSWORD"]),
        (
            {"MQTT_AUTH_METHOD": "USERPASS", "MQTT_USERNAME": "u", "MQTT_PASSWORD_FILE": "p", "MQTT_PASSWORD": "p"},
            ["MQTT_PASSWORD"],
        ),
        ({"MQTT_BROKER": "mqtt://b:1883", "MQTT_PORT": "1884"}, ["MQTT_BROKER"]),
        ({"MQTT_HOST": "mqtts://b", "AIO_MQTT_USE_TLS": "no"}, ["MQTT_HOST"]),
        ({"MQTT_BROKER": "mqtt://b:1", "MQTT_PORT": "2", "MQTT_TLS": "true"}, ["MQTT_BROKER", "MQTT_BROKER"]),
        ({"MQTT_CERT_FILE": "c.pem"}, ["MQTT_KEY_FILE"]),
        ({"MQTT_KEY_PASSWORD_FILE": "p"}, ["MQTT_KEY_PASSWORD_FILE"]),
        ({"MQTT_TLS_INSECURE": "true", "MQTT_TLS": "false"}, ["MQTT_TLS_INSECURE"]),
        ({"MQTT_VERSION": "3.1.1"}, ["MQTT_VERSION"]),
        ({"MQTT_VERSION": "3.1.1", "MQTT_USERNAME": "u"}, ["MQTT_VERSION", "MQTT_USERNAME"]),
    ],
)
def test_options_that_contradict_one_another_are_refused(environ: dict[str, str], named: list[str]) -> None:
    """Each rule between options that is broken has its own line, which begins with the option to mend."""
    assert [line.split(":")[0] for line in mistakes(environ)] == named


@pytest.mark.parametrize(
    "environ",
    [
        {"MQTT_AUTH_METHOD": "userpass", "MQTT_USERNAME": "u", "MQTT_PASSWORD_FILE": "p"},
        {"MQTT_AUTH_METHOD": "x509", **X509_FILES},
        {"MQTT_AUTH_METHOD": "none", "MQTT_TLS": "false"},
        {"LOG_FORMAT": "JSON", "QUEUE_POLICY": "Block", "TOPIC_LAYOUT": "Machine"},
        {"MQTT_BROKER": "::1", "HTTP_HOST": "0.0.0.0"},
        {"MQTT_AUTH_METHOD": "userpass", "MQTT_USERNAME": "u", "MQTT_PASSWORD": "p"},
        {"MQTT_BROKER": "mqtt://b:1883", "MQTT_PORT": "1883", "MQTT_TLS": "off"},
        {"STATS_INTERVAL": "0.1"},
        {"MQTT_BROKER": "aio-broker.azure-iot-operations.svc.cluster.local."},
        {"MQTT_TOPIC_PREFIX": "site/line-1", "HTTP_PORT": "0", "MQTT_MESSAGE_EXPIRY": "0"},
        {"MQTT_VERSION": "3.1.1", "MQTT_AUTH_METHOD": "none"},
        {"MQTT_VERSION": "5"},
    ],
)
def test_sound_combinations_are_accepted(environ: dict[str, str]) -> None:
    """Names of choices are read in any case."""
    load(**environ)


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({}, 3600),
        ({"MQTT_VERSION": "5"}, 3600),
        ({"MQTT_VERSION": "3.1.1", "MQTT_AUTH_METHOD": "NONE"}, 0),
        ({"MQTT_VERSION": "3.1.1", "MQTT_AUTH_METHOD": "NONE", "AIO_MQTT_SESSION_EXPIRY": "60"}, 60),
    ],
)
def test_a_session_that_would_be_kept_without_end_is_kept_only_where_that_is_asked_for(
    environ: dict[str, str], seconds: int
) -> None:
    """MQTT 3.1.1 has no expiry, so its default is the one that keeps nothing; the line of options does not show it."""
    settings = load(**environ)

    assert settings.mqtt_session_expiry == seconds
    assert all(each.mqtt_session_expiry == seconds for each in load(**environ, WORKERS="2", SEED="1").of_workers())
    assert ("MQTT_SESSION_EXPIRY" in describe(settings)) == ("AIO_MQTT_SESSION_EXPIRY" in environ)


def test_the_server_name_is_the_brokers_host_unless_given() -> None:
    """A certificate is verified against the name we connect to."""
    assert load(MQTT_BROKER="aio-broker").tls_server_name == "aio-broker"
    assert load(MQTT_BROKER="aio-broker", MQTT_TLS_SERVER_NAME="localhost").tls_server_name == "localhost"


@pytest.mark.parametrize(
    ("text", "host", "certified"),
    [
        ("Broker.Example.", "broker.example.", "broker.example"),
        ("[::1]", "::1", "::1"),
        ("0:0:0:0:0:0:0:1", "::1", "::1"),
        ("fe80::1%eth0", "fe80::1%eth0", "fe80::1"),
        ("Straße.example", "xn--strae-oqa.example", "xn--strae-oqa.example"),
        ("BÜRO.example。", "xn--bro-hoa.example.", "xn--bro-hoa.example"),
    ],
)
def test_a_host_is_understood_in_all_its_forms(text: str, host: str, certified: str) -> None:
    """Kept as DNS and sockets take it; a certificate is asked for without final dot and zone, as RFC 6066 wants it."""
    settings = load(MQTT_BROKER=text)

    assert (settings.mqtt_broker, settings.tls_server_name) == (host, certified)
    assert load(MQTT_TLS_SERVER_NAME=text).tls_server_name == certified


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("broker", ("broker", 18883, True)),
        ("broker:1883", ("broker", 1883, True)),
        ("[fe80::1%eth0]:1883", ("fe80::1%eth0", 1883, True)),
        ("mqtt://broker", ("broker", 1883, False)),
        ("MQTTS://Broker.", ("broker.", 8883, True)),
        ("tcp://broker:9/", ("broker", 9, False)),
        ("ssl://[::1]:9", ("::1", 9, True)),
        ("mqtt://[fe80::1%25eth0]", ("fe80::1%eth0", 1883, False)),
    ],
)
def test_the_broker_may_be_a_url_or_have_a_port(text: str, place: tuple[str, int, bool]) -> None:
    """Scheme and port are MQTT_TLS and MQTT_PORT, under each name of the option and as a flag."""
    for settings in (load(MQTT_BROKER=text), load(MQTT_HOST=text), Settings.load({}, {"mqtt_broker": text}, pid=7)):
        assert (settings.mqtt_broker, settings.mqtt_port, settings.mqtt_tls) == place


def test_a_port_set_apart_goes_with_a_url_that_names_none() -> None:
    """The scheme's port is only what is usual."""
    assert load(MQTT_BROKER="mqtt://broker", MQTT_PORT="1884").mqtt_port == 1884


def test_a_contradiction_of_url_and_option_names_both() -> None:
    """With both values."""
    assert mistakes({"MQTT_BROKER": "mqtt://b:1883"}, {"mqtt_port": "1884", "mqtt_tls": True}) == [
        "MQTT_BROKER: must agree with --mqtt-port: 1883 in one, '1884' in the other; set one",
        "MQTT_BROKER: must agree with --mqtt-tls: false in one, True in the other; set one",
    ]


SECRET = "hunter2-of-a-very-particular-kind"


@pytest.mark.parametrize(
    "environ",
    [
        {"MQTT_BROKER": f"mqtt://user:{SECRET}@broker"},
        {"MQTT_BROKER": f"user:{SECRET}@broker:1883"},
        {"MQTT_BROKER": f"mqtt://user:{'x' * 300}{SECRET}@{SECRET}"},
        {"MQTT_PORT": f"mqtt://user:{SECRET}@broker"},
        {"MQTT_PASSWORD": SECRET},
        {"MQTT_PASSWORD": SECRET * 3000},
        {"MQTT_PASSWORD": SECRET, "MQTT_PASSWORD_FILE": "p", "MQTT_AUTH_METHOD": "USERPASS"},
    ],
)
def test_a_password_is_in_no_line_about_a_mistake(environ: dict[str, str]) -> None:
    """Wherever it was put, right or wrong."""
    lines = mistakes(environ)

    assert SECRET not in "\n".join(lines)
    assert {line.split(":")[0] for line in lines} <= environ.keys() | {"MQTT_USERNAME"}


def test_a_password_of_the_environment_is_warned_about_and_never_shown() -> None:
    """It is taken byte by byte, also where it is no UTF-8."""
    secret = f" {SECRET}\udcff"
    environ = {"MQTT_AUTH_METHOD": "USERPASS", "MQTT_USERNAME": "u", "MQTT_PASSWORD": secret}
    settings = load(**environ)

    assert settings.mqtt_password is not None
    assert settings.mqtt_password.get_secret_value() == f" {SECRET}".encode() + b"\xff"
    assert "MQTT_PASSWORD=[redacted]" in describe(settings)
    assert warnings_about(environ) == [
        "MQTT_PASSWORD: other users may see it in the environment of this process; MQTT_PASSWORD_FILE is safer"
    ]
    assert SECRET not in f"{settings!r}{settings}{describe(settings)}{settings.model_dump()}"


@pytest.mark.parametrize("command", commands.COMMANDS)
@pytest.mark.parametrize("flag", ["-P x", "-Px", "--mqtt-password x", "--mqtt-password=x", "-P"])
def test_a_password_on_the_command_line_is_refused(command: str, flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With what to do instead, and without the password."""
    with pytest.raises(SystemExit) as end:
        commands.parse([command, *flag.replace("x", SECRET).split()], "0")

    said = capsys.readouterr().err
    assert (end.value.code, SECRET in said) == (2, False)
    assert "--mqtt-password-file" in said


def test_port_and_user_have_the_short_flags_of_mosquittos_clients() -> None:
    """-h stays help."""
    flags = parse("-p", "1883", "-u", "me")

    assert (flags["mqtt_port"], flags["mqtt_username"]) == ("1883", "me")


def test_the_name_of_a_pod_that_is_no_client_id_is_told_by_its_variable() -> None:
    """Nobody has set MQTT_CLIENT_ID."""
    assert [line.split(":")[0] for line in mistakes({"POD_NAME": "a\nb"})] == ["POD_NAME"]
    assert [
        line.split(":")[0] for line in mistakes({"POD_NAME": "a-" + "9" * 5000, "SHARD": "ordinal/4", "SEED": "1"})
    ] == ["SHARD"]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("1e3", 1000),
        ("90s", 90),
        ("1h", 3600),
        ("1H30m", 5400),
        ("7d", 604800),
        ("1.5h", 5400),
        ("2w", 1209600),
    ],
)
def test_times_may_have_units(text: str, seconds: float) -> None:
    """Plain numbers are seconds."""
    assert parsed(RunOptions, "run", "--duration", text).duration == seconds
    assert parsed(PreflightOptions, "preflight", "--wait", text).wait == seconds


@pytest.mark.parametrize(
    ("text", "unix_seconds"),
    [
        ("1970-01-01", 0),
        ("1970-01-01T01:00:00+01:00", 0),
        ("2026-01-01T00:00:00", 1767225600),
        ("2026-01-01t00:00:00.5z", 1767225600.5),
        ("9899-12-31T23:59:59Z", 250246627199),
    ],
)
def test_a_start_may_have_any_form_of_iso_8601(text: str, unix_seconds: float) -> None:
    """In UTC unless it says otherwise."""
    assert parsed(RunOptions, "run", "--start", text).start == unix_seconds


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--start 9899-12-31 --duration 9d", "--duration: plant time would go beyond the year 9899"),
        ("--start 2026-01-01 --duration 1e300", "--duration: plant time would go beyond the year 9899"),
        ("--start 9800-01-01 --duration 40000d --then-live", "--duration: plant time would go beyond the year 9899"),
        ("--then-live --duration 30000d", "--duration: the history would begin before 1970"),
    ],
)
def test_plant_time_stays_within_the_calendar(flags: str, said: str) -> None:
    """At both of its ends."""
    with pytest.raises(UsageError, match=re.escape(said)):
        parsed(RunOptions, "run", *flags.split()).timing(1.8e9)


def test_settings_cannot_be_changed() -> None:
    """What was checked at the start stays so."""
    with pytest.raises(ValidationError, match="frozen"):
        load().mqtt_port = 1  # type: ignore[misc]


def test_unknown_variables_are_told_with_the_nearest_known_one_and_without_their_value() -> None:
    """A slip of the pen is a warning; what Kubernetes sets for services is none of ours."""
    environ = {
        "MQTT_BROKR": "a",
        "MQTT_URL": "mqtt://user:s3cret@broker",
        "MQTT_PASSWD": "s3cret",
        "MQTT_PROTOCOL": "3.1.1",
        "MQTT_CAFILE": "ca.pem",
        "MQTT_ZZ": "",
        "BROKER_HOST": "b",
        "QOS": "1",
        "HOSTNAME": "laptop",
        "USER": "me",
        "MQTT_UI_SERVICE_HOST": "10.0.0.1",
        "MQTT_UI_PORT_80_TCP_ADDR": "10.0.0.1",
        "STATS_INTERVALL": "5",
        "WORKRES": "2",
        "HTTP_PROXY": "http://proxy:3128",
        "PATH": "/bin",
    }

    assert unknown_variables(environ) == [
        "BROKER_HOST: no such option; did you mean MQTT_BROKER?",
        "MQTT_BROKR: no such option; did you mean MQTT_BROKER?",
        "MQTT_CAFILE: no such option; did you mean MQTT_CA_FILE?",
        "MQTT_PASSWD: no such option; did you mean MQTT_PASSWORD_FILE?",
        "MQTT_PROTOCOL: no such option; did you mean MQTT_VERSION?",
        "MQTT_URL: no such option; did you mean MQTT_BROKER?",
        "MQTT_ZZ: no such option",
        "QOS: no such option; did you mean MQTT_QOS?",
        "STATS_INTERVALL: no such option; did you mean STATS_INTERVAL?",
        "WORKRES: no such option; did you mean WORKERS?",
    ]


def test_a_command_that_is_none_is_told_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    """`run` may be left out, but takes no word of its own."""
    with pytest.raises(SystemExit) as end:
        commands.parse(["chek"], "0")

    assert end.value.code == 2
    assert capsys.readouterr().err.endswith("error: no such command: 'chek' (did you mean check?)\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("run --speed fast", "argument --speed: must be a number above 0, or max, not 'fast'"),
        (
            "run --duration 1x",
            "argument --duration: must be a number of seconds above 0, or a time such as 90s, 1h30m or 7d, not '1x'",
        ),
        ("run --count 1e400", "argument --count: must be a whole number above 0, not '1e400'"),
        ("run --start 9999-12-31", "argument --start: must lie in the years 1970 to 9899 (UTC), not '9999-12-31'"),
        ("run --start 1969-12-31", "argument --start: must lie in the years 1970 to 9899 (UTC), not '1969-12-31'"),
        (
            "run --start 2016-12-31T23:59:60Z",
            "argument --start: must be a time such as 2026-01-01T00:00:00Z, or a date, not '2016-12-31T23:59:60Z'",
        ),
        ("run --mqtt-host b -q", "unrecognized arguments: --mqtt-host (did you mean --mqtt-broker?), -q"),
        ("run --mqtt-passwd hunter2", "unrecognized arguments: --mqtt-passwd (did you mean --mqtt-password-file?)"),
        ("run --no-mqtt-tls=hunter2", "argument --mqtt-tls/--no-mqtt-tls: takes no value"),
        ("run --truht=x", "unrecognized arguments: --truht (did you mean --truth?)"),
        ("run --count 1.5", "argument --count: must be a whole number above 0, not '1.5'"),
        (
            "preflight --wait long",
            "argument --wait: must be a number of seconds, or a time such as 90s or 1h30m, not 'long'",
        ),
        (
            "preflight --timeout 0",
            "argument --timeout: must be a number of seconds above 0, or a time such as 90s, 1h30m or 7d, not '0'",
        ),
    ],
)
def test_a_bad_flag_is_told_in_a_line_below_the_usage(
    arguments: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rule and value, not lost below a list of all the other flags; exit code 2."""
    with pytest.raises(SystemExit) as end:
        commands.parse(arguments.split(), "0")

    command, _, _ = arguments.partition(" ")
    assert end.value.code == 2
    assert capsys.readouterr().err == f"usage: app.py {command} [FLAG ...]\napp.py {command}: error: {said}\n"


def test_every_option_has_a_flag_that_takes_what_its_variable_takes() -> None:
    """Flags come from the same declaration; a switch can be turned off as well."""
    flags = parse("--log-format", "json", "--no-mqtt-tls", "--mqtt-auth-method", "NONE")

    settings = Settings.load({}, flags, pid=7)

    assert flags.keys() == Settings.model_fields.keys() - {"mqtt_password"}
    assert (settings.log_format, settings.mqtt_tls) == (LogFormat.JSON, False)


def test_the_table_and_the_help_name_every_variable_and_default() -> None:
    """Documentation that is generated cannot fall behind."""
    parser = argparse.ArgumentParser()
    add_flags(parser)
    table, text = markdown_table(), " ".join(parser.format_help().split())

    for name in Settings.model_fields:
        assert all(f"`{variable}`" in table for variable in variables(name))
        assert f"[{name.upper()}, default " in text.replace("[ ", "[") or name == "mqtt_password"
    assert "| `MQTT_PORT` | `18883` | TCP port" in table


def test_the_start_up_line_shows_what_differs_and_no_secret() -> None:
    """Every option that somebody set, if not to its default; a token pasted in the wrong place only as a gap."""
    environ = {"MQTT_BROKER": "aio-broker", "SEED": "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJhaW8ifQ.c2ln", "MQTT_QOS": "1"}
    line = describe(Settings.load(environ, pid=7, unset={"http_port": 0}))

    assert line == "options: MQTT_BROKER=aio-broker SEED=[redacted]"


def test_a_token_in_a_bad_value_is_not_repeated() -> None:
    """The line about a mistake is no place for a secret either."""
    (line,) = mistakes({"MQTT_PORT": "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJhaW8ifQ.c2ln"})

    assert "eyJ" not in line


@given(st.dictionaries(st.sampled_from([name.upper() for name in Settings.model_fields]), st.text(max_size=20)))
def test_any_environment_gives_settings_or_lines(environ: dict[str, str]) -> None:
    """Nothing but SettingsError comes out, and each of its lines names a variable and a rule."""
    text = outcome(environ)

    assert text.startswith("Settings(") or all(
        re.match(r"\w+: (must (be|agree)|applies only with(out)?) ", line) for line in text.split("\n")
    )
