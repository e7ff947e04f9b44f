"""What a run is begun with: the files of another simulator, and nothing of them where the plant is one of ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.run_start import run_start
from edge.runtime.run_options import RunOptions
from edge.settings.foreign.fleet_start import FleetStart

THEIRS = '[simulator]\ndevice_count = 2\n[mqtt]\nhost = "there"\n'
TOML, YAML = "[message_types.sensor_device]\ncount = 2\n", "message_types: {sensor_device: {count: 2}}\n"


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with variables of theirs."""
    (tmp_path / ".env").write_text("MQTT_PORT=1999\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["config.toml", "config.TOML", "config.conf", "config"])
def test_their_file_is_known_whatever_its_name(directory: Path, name: str) -> None:
    """Else its devices would run, and its broker be left out without a word."""
    (directory / name).write_text(THEIRS)
    environ = run_start(RunOptions(flags={"message_config_path": name}), {}).environ

    assert (environ["MQTT_BROKER"], environ["MQTT_PORT"]) == ("there", "1999")


@pytest.mark.parametrize(("name", "text"), [("plant.toml", TOML), ("plant.yaml", YAML), ("none.toml", "")])
def test_their_variables_are_not_for_plants_of_ours(directory: Path, name: str, text: str) -> None:
    """A file .env in the directory may be somebody else's."""
    if text:
        (directory / name).write_text(text)

    assert run_start(RunOptions(flags={"message_config_path": name}), {"A": "b"}) == FleetStart({"A": "b"})
