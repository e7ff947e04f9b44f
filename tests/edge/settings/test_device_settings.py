"""Facts about the options of MQTT_CONNECTIONS=per_machine: their rules, and what an error says."""

from __future__ import annotations

import pytest

from edge.settings.loader import Settings, SettingsError

PER_MACHINE = {"MQTT_CONNECTIONS": "per_machine", "MQTT_AUTH_METHOD": "NONE", "MQTT_TLS": "false"}
CLIENT_ID_RULE = (
    "text with {machine_id} in it, and no other placeholders than {client_id} {machine_id}"  # as the option says
)
TOPIC_RULE = (
    "text with {machine_id} or {station_id} in it, and no other placeholders than "
    "{prefix} {type} {machine_id} {station_id}"
)
LEVELS_RULE = "topic levels joined by '/', none of them empty, without + and #, not starting with $"


def load(**environ: str) -> Settings:
    """Settings of an environment, with a connection for each machine."""
    return Settings.load(PER_MACHINE | environ, pid=7)


def mistakes(**environ: str) -> list[str]:
    """The lines that an environment is refused with."""
    with pytest.raises(SettingsError) as refusal:
        load(**environ)
    return refusal.value.mistakes


def test_the_words_are_taken_in_any_case() -> None:
    """As those of other options."""
    assert load(MQTT_CONNECTIONS="Per_Machine").mqtt_connections == "per_machine"
    assert mistakes(MQTT_CONNECTIONS="each") == ["MQTT_CONNECTIONS: must be one of shared, per_machine, not 'each'"]


@pytest.mark.parametrize(
    "template", ["{machine_id}", "{client_id}-{machine_id}", "dev/{machine_id}/1", "{{}}{machine_id}"]
)
def test_a_client_id_may_be_any_text_with_the_machine_in_it(template: str) -> None:
    """So that no two machines have the same one."""
    assert load(MQTT_DEVICE_CLIENT_ID=template).mqtt_device_client_id == template


@pytest.mark.parametrize(
    "template",
    [
        "press",
        "{client_id}",
        "{machine_id}{type}",
        "{machine_id",
        "{machine_id:4}",
        "{machine_id!r}",
        "{0}{machine_id}",
    ],
)
def test_another_client_id_is_refused_with_the_rule(template: str) -> None:
    """Without the machine, with another placeholder, or with a format of its own."""
    assert mistakes(MQTT_DEVICE_CLIENT_ID=template) == [
        f"MQTT_DEVICE_CLIENT_ID: must be {CLIENT_ID_RULE}, not {template!r}"
    ]


@pytest.mark.parametrize(
    "topic", ["{prefix}/status/{machine_id}", "site/{type}/{station_id}/state", "{machine_id}", "a b/{machine_id}"]
)
def test_a_status_topic_may_be_any_topic_with_machine_or_station_in_it(topic: str) -> None:
    """With or without the prefix."""
    assert load(MQTT_STATUS_TOPIC=topic).mqtt_status_topic == topic


@pytest.mark.parametrize(
    ("topic", "rule"),
    [
        ("{prefix}/status", TOPIC_RULE),
        ("{machine_id}/{client_id}", TOPIC_RULE),
        ("{prefix}/{machine_id}/#", LEVELS_RULE),
        ("+/{machine_id}", LEVELS_RULE),
        ("/{machine_id}", LEVELS_RULE),
        ("{machine_id}/", LEVELS_RULE),
        ("a//{machine_id}", LEVELS_RULE),
        ("$SYS/{machine_id}", LEVELS_RULE),
    ],
)
def test_another_status_topic_is_refused_with_the_rule(topic: str, rule: str) -> None:
    """What no broker takes as the topic of a message (MQTT 5, 4.7), and what all machines would share."""
    assert mistakes(MQTT_STATUS_TOPIC=topic) == [f"MQTT_STATUS_TOPIC: must be {rule}, not {topic!r}"]


def test_the_connect_rate_is_a_number_with_0_for_no_limit() -> None:
    """Fractions too: one connect in ten seconds."""
    assert load(MQTT_CONNECT_RATE="0").mqtt_connect_rate == 0
    assert load(MQTT_CONNECT_RATE="0.1").mqtt_connect_rate == 0.1
    for wrong in ("-1", "many", "100001", "nan"):
        assert mistakes(MQTT_CONNECT_RATE=wrong) == [
            f"MQTT_CONNECT_RATE: must be a number from 0 to 100000, not {wrong!r}"
        ]


def test_a_table_of_logins_stands_for_name_and_password() -> None:
    """With USERPASS nothing else need be set."""
    assert load(MQTT_AUTH_METHOD="USERPASS", MQTT_DEVICE_LOGINS="/etc/logins.csv").mqtt_username is None
    assert mistakes(MQTT_AUTH_METHOD="USERPASS") == [
        "MQTT_USERNAME: must be set with MQTT_AUTH_METHOD=USERPASS",
        "MQTT_PASSWORD_FILE: must be set with MQTT_AUTH_METHOD=USERPASS",
    ]


@pytest.mark.parametrize(
    "others",
    [{"MQTT_AUTH_METHOD": "NONE"}, {"MQTT_AUTH_METHOD": "K8S-SAT"}, {"MQTT_CONNECTIONS": "shared"}],
)
def test_a_table_of_logins_is_refused_where_nobody_would_read_it(others: dict[str, str]) -> None:
    """Another login, or one connection for all."""
    environ = {"MQTT_AUTH_METHOD": "USERPASS", "MQTT_DEVICE_LOGINS": "/etc/logins.csv", **others}
    if environ["MQTT_AUTH_METHOD"] == "USERPASS":
        environ |= {"MQTT_USERNAME": "u", "MQTT_PASSWORD_FILE": "/etc/p"}

    assert mistakes(**environ) == [
        "MQTT_DEVICE_LOGINS: applies only with MQTT_AUTH_METHOD=USERPASS and MQTT_CONNECTIONS=per_machine"
    ]
