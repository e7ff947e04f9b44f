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

from edge import commands
from edge.outbox import Policy
from edge.settings import (
    AuthMethod,
    LogFormat,
    Settings,
    SettingsError,
    add_flags,
    describe,
    markdown_table,
    unknown_variables,
    variables,
)


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


def test_an_empty_environment_gives_the_documented_defaults() -> None:
    """The defaults are those that users of the original know."""
    settings = load()

    assert (settings.mqtt_broker, settings.mqtt_port, settings.mqtt_topic_prefix) == ("localhost", 18883, "factory")
    assert settings.mqtt_auth_method is AuthMethod.K8S_SAT
    assert settings.sat_token_path == Path("/var/run/secrets/tokens/broker-sat")
    assert settings.message_config_path == Path("message_structure.yaml")
    assert (settings.queue_size, settings.queue_policy, settings.mqtt_window) == (1000, Policy.DROP_OLDEST, 100)
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
    """A bad value under the SDKs' name is refused, or a good one taken, just as under ours."""
    ours, alias = variables(name)

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
        ("MQTT_QOS", "2", "a whole number from 0 to 1"),
        ("MQTT_TLS", "maybe", "true or false"),
        ("MQTT_BROKER", "mqtts://broker", "a host name or an IP address, without scheme, port or brackets"),
        ("MQTT_BROKER", "broker:1883", "a host name or an IP address, without scheme, port or brackets"),
        ("MQTT_BROKER", "a..b", "a host name or an IP address, without scheme, port or brackets"),
        ("MQTT_BROKER", "x" * 64, "a host name or an IP address, without scheme, port or brackets"),
        ("MQTT_AUTH_METHOD", "BASIC", "one of K8S-SAT, USERPASS, X509, NONE"),
        ("QUEUE_POLICY", "drop", "one of drop-oldest, drop-newest, block"),
        ("STATS_INTERVAL", "nan", "a number from 0 to 86400"),
        ("DRAIN_SECONDS", "inf", "a number from 0 to 3600"),
        ("QUEUE_SIZE", "9" * 5000, "a whole number from 1 to 10000000"),
        (
            "MQTT_CLOUD_EVENTS_SOURCE",
            "my plant",
            "a URI reference (RFC 3986) such as aio://plant-1/factory, of at most 65000 bytes",
        ),
        (
            "MQTT_CLOUD_EVENTS_SOURCE",
            "x" * 65_001,
            "a URI reference (RFC 3986) such as aio://plant-1/factory, of at most 65000 bytes",
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
        ({"MQTT_CERT_FILE": "c.pem"}, ["MQTT_KEY_FILE"]),
        ({"MQTT_KEY_PASSWORD_FILE": "p"}, ["MQTT_KEY_PASSWORD_FILE"]),
        ({"MQTT_TLS_INSECURE": "true", "MQTT_TLS": "false"}, ["MQTT_TLS_INSECURE"]),
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
        {"MQTT_BROKER": "aio-broker.azure-iot-operations.svc.cluster.local."},
        {"MQTT_TOPIC_PREFIX": "site/line-1", "HTTP_PORT": "0", "MQTT_MESSAGE_EXPIRY": "0"},
    ],
)
def test_sound_combinations_are_accepted(environ: dict[str, str]) -> None:
    """Names of choices are read in any case."""
    load(**environ)


def test_the_server_name_is_the_brokers_host_unless_given() -> None:
    """A certificate is verified against the name we connect to."""
    assert load(MQTT_BROKER="aio-broker").tls_server_name == "aio-broker"
    assert load(MQTT_BROKER="aio-broker", MQTT_TLS_SERVER_NAME="localhost").tls_server_name == "localhost"


def test_settings_cannot_be_changed() -> None:
    """What was checked at the start stays so."""
    with pytest.raises(ValidationError, match="frozen"):
        load().mqtt_port = 1  # type: ignore[misc]


def test_unknown_variables_are_told_with_the_nearest_known_one_and_without_their_value() -> None:
    """A slip of the pen is a warning; what Kubernetes sets for services is none of ours."""
    environ = {
        "MQTT_BROKR": "a",
        "MQTT_PASSWORD": "s3cret",
        "MQTT_UI_SERVICE_HOST": "10.0.0.1",
        "MQTT_UI_PORT_80_TCP_ADDR": "10.0.0.1",
        "STATS_INTERVALL": "5",
        "WORKRES": "2",
        "HTTP_PROXY": "http://proxy:3128",
        "PATH": "/bin",
    }

    assert unknown_variables(environ) == [
        "MQTT_BROKR: no such option; did you mean MQTT_BROKER?",
        "MQTT_PASSWORD: no such option; did you mean MQTT_PASSWORD_FILE?",
        "STATS_INTERVALL: no such option; did you mean STATS_INTERVAL?",
        "WORKRES: no such option; did you mean WORKERS?",
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("run --speed fast", "argument --speed: must be a number above 0, or max, not 'fast'"),
        ("run --duration 1h", "argument --duration: must be a number of seconds above 0, not '1h'"),
        ("run --count 1.5", "argument --count: must be a whole number above 0, not '1.5'"),
        ("preflight --wait long", "argument --wait: must be a number of seconds, not 'long'"),
        ("preflight --timeout 0", "argument --timeout: must be a number of seconds above 0, not '0'"),
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

    assert flags.keys() == Settings.model_fields.keys()
    assert (settings.log_format, settings.mqtt_tls) == (LogFormat.JSON, False)


def test_the_table_and_the_help_name_every_variable_and_default() -> None:
    """Documentation that is generated cannot fall behind."""
    parser = argparse.ArgumentParser()
    add_flags(parser)
    table, text = markdown_table(), " ".join(parser.format_help().split())

    for name in Settings.model_fields:
        assert all(f"`{variable}`" in table for variable in variables(name))
        assert f"[{name.upper()}, default " in text.replace("[ ", "[")
    assert "| `MQTT_PORT` | `18883` | TCP port" in table


def test_the_start_up_line_shows_what_differs_and_no_secret() -> None:
    """Every effective option that is not at its default, and a token pasted in the wrong place only as a gap."""
    line = describe(load(MQTT_BROKER="aio-broker", SEED="eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJhaW8ifQ.c2ln"))

    assert line == "options: MQTT_BROKER=aio-broker MQTT_CLIENT_ID=factory-sim-7 SEED=[redacted]"


def test_a_token_in_a_bad_value_is_not_repeated() -> None:
    """The line about a mistake is no place for a secret either."""
    (line,) = mistakes({"MQTT_PORT": "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJhaW8ifQ.c2ln"})

    assert "eyJ" not in line


@given(st.dictionaries(st.sampled_from([name.upper() for name in Settings.model_fields]), st.text(max_size=20)))
def test_any_environment_gives_settings_or_lines(environ: dict[str, str]) -> None:
    """Nothing but SettingsError comes out, and each of its lines names a variable and a rule."""
    text = outcome(environ)

    assert text.startswith("Settings(") or all(
        re.match(r"\w+: (must be|goes only with) ", line) for line in text.split("\n")
    )
