"""Plants whose messages differ from those of the five types in every way that a declaration allows."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from plant.definition.plant_config import PlantConfig, parse
from tests.support.exports import yamlread
from tests.support.factory.laser import entry

_FOLDER: Final = Path(__file__).parents[1] / "odd_plants"
ODD_PLANTS: Final[dict[str, dict[str, Any]]] = {
    **{file.stem: yamlread.value(file.read_text("utf-8")) for file in sorted(_FOLDER.glob("*.yaml"))},
    "sixth": {"message_types": {"laser_cutter": entry() | {"count": 3}}},
}
"""Each as its YAML is read."""


def odd_plant(name: str) -> PlantConfig:
    """Return one of the plants."""
    return parse(ODD_PLANTS[name])
