"""The help of `preflight` and `verify` shows the settings that these commands use, and no others."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

import app
from cli.commands import parse
from edge.settings import options
from edge.settings.loader import Settings
from sandbox.access import Passwords
from sandbox.broker import EmbeddedBroker, Listener
from tests.support.brokers.scenes import Pod
from tests.support.processes.daemon import running
from tests.support.processes.ports import free_port

ROOT = Path(__file__).parents[2]
PREFLIGHT = ["preflight", "--timeout", "2", "--file", str(ROOT / "message_structure.yaml")]
VERIFY = ["verify", "--from-mqtt", "--duration", "0.1"]
COMMANDS = pytest.mark.parametrize("command", [PREFLIGHT, VERIFY], ids=["preflight", "verify"])


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The settings that are read, apart from their validation."""
    names: set[str] = set()

    def watched(settings: Settings, name: str) -> object:
        if name in Settings.model_fields:
            names.add(name)
        return object.__getattribute__(settings, name)

    monkeypatch.setattr(options, "_disagreements", lambda _: {})
    monkeypatch.setattr(Settings, "__getattribute__", watched)
    return names


def settings_in_help(command: str, capsys: pytest.CaptureFixture[str]) -> set[str]:
    """The settings that have a flag in the help of a command."""
    with pytest.raises(SystemExit):
        parse([command, "--help"], "0")
    lines = re.findall(r"^  -.*", capsys.readouterr().out, re.MULTILINE)
    names = {flag.replace("-", "_") for line in lines for flag in re.findall(r"--([a-z-]+)", line)}
    return names & Settings.model_fields.keys()


@COMMANDS
def test_help_shows_the_settings_that_are_used(
    command: Sequence[str], pod: Pod, read: set[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """With each way to log in; a password in a variable has no flag."""
    secret, nowhere = tmp_path / "password", str(tmp_path / "nowhere.pem")
    secret.write_text("correct horse")
    nobody = {"HTTP_PORT": str(free_port())}
    to_pod = nobody | {"MQTT_CA_FILE": str(pod.ca_file), "SAT_TOKEN_PATH": str(pod.token_file)}
    user = nobody | {"MQTT_AUTH_METHOD": "USERPASS", "MQTT_USERNAME": "me", "MQTT_TLS": "false"}
    certificate = {"MQTT_AUTH_METHOD": "X509", "MQTT_CERT_FILE": nowhere, "MQTT_KEY_FILE": nowhere}
    with (
        running(pod.broker()) as secure,
        running(EmbeddedBroker(Listener(access=Passwords({"me": "correct horse"})))) as plain,
    ):
        app.main(command, to_pod | {"MQTT_PORT": str(secure.port)})
        app.main(command, user | {"MQTT_PORT": str(plain.port), "MQTT_PASSWORD_FILE": str(secret)})
        app.main(command, user | {"MQTT_PORT": str(plain.port), "MQTT_PASSWORD": "correct horse"})
        app.main(command, to_pod | certificate | {"MQTT_PORT": str(secure.port)})
    capsys.readouterr()

    assert settings_in_help(command[0], capsys) == read - {"mqtt_password"}


@COMMANDS
def test_the_flags_of_a_run_are_accepted(command: Sequence[str]) -> None:
    """So that its command line can be used as it is."""
    assert parse([command[0], "--queue-size", "5", "--no-mqtt-cloud-events"], "0")
