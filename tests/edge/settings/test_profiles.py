"""What HTTP_COMPAT changes of the options, for those who come from another simulator with their environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.run_start import run_start
from edge.runtime.run_options import RunOptions
from edge.settings.environment_warnings import warnings_about
from edge.settings.loader import Settings, SettingsError
from edge.settings.profiles import PROFILES
from edge.settings.types import AuthMethod, HttpCompat

ENMS = {"HTTP_COMPAT": "enms"}
THEIRS = {
    "MQTT_HOST": "10.0.0.7",
    "MQTT_PORT": "1884",
    "MQTT_USERNAME": "plant",
    "MQTT_PASSWORD": "s3cret",
    "MQTT_KEEPALIVE": "30",
    "MQTT_QOS": "0",
    "MQTT_CLIENT_ID": "mine",
    "API_PORT": "8013",
    "LOG_LEVEL": "WARNING",
    "SIMULATOR_AUTO_START": "false",
}
"""Their variables for which there are options."""
NOT_READ = {
    "SIMULATOR_FACTORIES": "1",
    "SIMULATOR_ENABLE_ANOMALIES": "true",
    "ANOMALY_PROBABILITY": "0.1",
    "PRESS_INTERVAL": "10",
    "SHIFT_1_START": "6",
    "SHIFT_3_END": "6",
    "WEEKEND_PRODUCTION_FACTOR": "0.3",
    "POSTGRES_HOST": "db",
    "POSTGRES_PASSWORD": "s3cret",
}


def load(environ: dict[str, str], **flags: object) -> Settings:
    """Settings of an environment with the profile."""
    return Settings.load(ENMS | environ, flags, pid=7)


def test_without_more_the_profile_has_the_defaults_of_its_simulator() -> None:
    """Plain MQTT without a login, and their port."""
    found = load({})

    assert (found.mqtt_broker, found.mqtt_port, found.mqtt_tls) == ("localhost", 1883, False)
    assert (found.mqtt_auth_method, found.mqtt_client_id) == (AuthMethod.NONE, "enms-simulator")
    assert (found.http_port, found.mqtt_qos, found.mqtt_keep_alive, found.auto_start) == (8003, 1, 60, True)
    assert found.model_fields_set == {"http_compat"}


def test_each_of_their_variables_is_the_option_that_we_have() -> None:
    """With a user name the login is by it."""
    found = load(THEIRS)

    assert (found.mqtt_broker, found.mqtt_port, found.mqtt_keep_alive) == ("10.0.0.7", 1884, 30)
    assert (found.mqtt_auth_method, found.mqtt_username) == (AuthMethod.USERPASS, "plant")
    assert found.mqtt_password
    assert found.mqtt_password.get_secret_value() == b"s3cret"
    assert (found.mqtt_qos, found.mqtt_client_id, found.http_port) == (0, "mine", 8013)
    assert (found.log_level, found.auto_start) == ("warning", False)
    assert load({"SIMULATOR_PORT": "8014"}).http_port == 8014


def test_a_user_name_alone_is_a_login() -> None:
    """Under the profile; otherwise the login that is asked for needs a password."""
    assert load({"MQTT_USERNAME": "plant"}).mqtt_auth_method is AuthMethod.USERPASS
    with pytest.raises(SettingsError, match="MQTT_PASSWORD_FILE: must be set with MQTT_AUTH_METHOD=USERPASS"):
        Settings.load({"MQTT_USERNAME": "plant", "MQTT_AUTH_METHOD": "USERPASS"}, pid=7)


def test_options_of_our_own_win_over_the_profile() -> None:
    """Its defaults, and its names for them."""
    environ = {"MQTT_PORT": "8883", "MQTT_TLS": "true", "HTTP_PORT": "9000", "API_PORT": "8013", "AUTO_START": "true"}
    found = load(environ | {"SIMULATOR_AUTO_START": "false", "MQTT_AUTH_METHOD": "K8S-SAT"})

    assert (found.mqtt_port, found.mqtt_tls, found.http_port, found.auto_start) == (8883, True, 9000, True)
    assert found.mqtt_auth_method is AuthMethod.K8S_SAT
    assert load({"API_PORT": "8013"}, http_port=9001).http_port == 9001
    assert Settings.load(ENMS, pid=7, unset={"http_port": 0}).http_port == 0  # of a dry run


def test_a_wrong_value_is_told_by_the_name_that_was_used() -> None:
    """Also by a name of the profile alone."""
    with pytest.raises(SettingsError) as refusal:
        load({"API_PORT": "http", "SIMULATOR_AUTO_START": "perhaps"})

    assert sorted(refusal.value.mistakes) == [
        "API_PORT: must be a whole number from 0 to 65535, not 'http'",
        "SIMULATOR_AUTO_START: must be true or false, not 'perhaps'",
    ]


def test_without_the_profile_its_names_mean_nothing() -> None:
    """They may be those of any program."""
    found = Settings.load({"API_PORT": "8013", "SIMULATOR_AUTO_START": "false"}, pid=7)

    assert (found.http_port, found.auto_start) == (8080, True)
    assert warnings_about(NOT_READ) == []


def test_each_variable_that_is_not_read_has_a_line_with_what_does_the_same() -> None:
    """Without its value; variables of options, and of other programs, have none."""
    lines = warnings_about(
        ENMS | NOT_READ | {"STATS_INTERVAL": "5", "OTEL_METRIC_EXPORT_INTERVAL": "5", "A_INTERVAL": ""}
    )

    assert [line.split(" is not read: ")[0] for line in lines] == sorted(NOT_READ)
    assert "PRESS_INTERVAL is not read: report_seconds of the machine type in the YAML sets it" in lines
    assert "s3cret" not in "".join(lines)
    assert warnings_about(NOT_READ, {"http_compat": "enms"}) == lines


def test_the_page_about_the_energy_plant_has_all_variables() -> None:
    """Those that are read as well as those that are not."""
    page = Path("docs/energy-api.md").read_text()
    profile = PROFILES[HttpCompat.ENMS]
    names = {name for aliases in profile.aliases.values() for name in aliases}

    assert [name for name in (*THEIRS, *names) if f"`{name}`" not in page] == []
    assert [instead for instead in profile.not_read.values() if instead.split(",")[0].split(";")[0] not in page] == []


@pytest.mark.parametrize("demo", [False, True])
def test_its_file_of_variables_is_read(demo: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the simulator reads `.env` itself: its own variables alone; and none of a broker where a demo has one."""
    monkeypatch.chdir(tmp_path)
    lines = [f"{name}={value}" for name, value in (THEIRS | NOT_READ | {"HTTP_HOST": "0.0.0.0"}).items()]
    (tmp_path / ".env").write_text("\n".join(lines))
    environ = ENMS | {"LOG_LEVEL": "ERROR"}
    expected = THEIRS | NOT_READ | environ
    if demo:
        expected = {name: value for name, value in expected.items() if not name.startswith("MQTT_")}

    assert run_start(RunOptions(demo=demo), environ).environ == expected
    assert run_start(RunOptions(demo=demo), {}).environ == {}


def test_the_variables_of_the_sandbox_are_the_options_that_we_have() -> None:
    """Ours have priority; all else is as without the profile."""
    sandbox = {"VF_BASE_TOPIC": "hall", "VF_BROKER_HOST": "10.0.0.7", "VF_BROKER_PORT": "1884", "VF_KEEPALIVE": "30"}
    found = Settings.load({"HTTP_COMPAT": "vf", "MQTT_PORT": "1885", **sandbox}, {}, pid=7)
    without = Settings.load(sandbox, {}, pid=7)

    assert (found.mqtt_topic_prefix, found.mqtt_broker, found.mqtt_port, found.mqtt_keep_alive) == (
        *("hall", "10.0.0.7", 1885, 30),
    )
    assert (found.mqtt_tls, found.http_port) == (without.mqtt_tls, without.http_port)
    assert without.mqtt_topic_prefix == "factory"
