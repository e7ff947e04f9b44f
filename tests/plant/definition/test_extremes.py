"""Every number of a plant's YAML at its extremes: rejected at its place, or accepted, and then the plant runs."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from messages import START, FactoryMessageGenerator
from plant.definition.plant_config import ConfigError, PlantConfigError, parse
from plant.forecast.rate_forecast import forecast
from tests.support.factory.flows import scenario_data

EXTREMES = (5e-324, 1e-308, 1.7e308, 10**60)
Place = tuple[str | int, ...]


def all_there_is() -> dict[str, Any]:
    """Return a plant with every key that takes a number."""
    data = scenario_data()
    data["global"]["target_rate"] = 5.0
    data["message_types"]["oee"] = {"enabled": True, "report_seconds": 60.0}
    data["message_types"]["testing"] |= {"dwell_seconds": {"testing": 600.0}, "slow_cycle_share": 0.1}
    data["calendar"] = {"time_zone": "UTC", "weekend_factor": 0.5, "holiday_factor": 0.5}
    return data


def numbers(value: object, place: Place = ()) -> Iterator[Place]:
    """Where there is a number in plain data."""
    if isinstance(value, dict | list):
        for step, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from numbers(each, (*place, step))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield place


def changed(data: dict[str, Any], place: Place, value: float) -> dict[str, Any]:
    """The same data with another value at one place."""
    data = copy.deepcopy(data)
    holder: Any = data
    for step in place[:-1]:
        holder = holder[step]
    holder[place[-1]] = value
    return data


SECTIONS = ("global", "flow", "calendar", *(f"message_types.{key}" for key in all_there_is()["message_types"]))


@pytest.mark.parametrize("section", SECTIONS)
def test_an_extreme_number_is_refused_in_its_place_or_works(section: str) -> None:
    """No number is so small or so large that reckoning with it fails."""
    data, steps = all_there_is(), tuple(section.split("."))
    places = [place for place in numbers(data) if place[: len(steps)] == steps]
    for place in places:
        for value in EXTREMES:
            wrong = mistakes_of(changed(data, place, value))
            assert all(mistake.path.startswith(("global", "message_types", "calendar", "flow")) for mistake in wrong)


def mistakes_of(data: dict[str, Any]) -> list[ConfigError]:
    """Why a plant is refused; if it is not, it is made and runs for a moment."""
    try:
        config = parse(data)
    except PlantConfigError as error:
        return error.mistakes
    assert forecast(config).text()
    FactoryMessageGenerator.of(config, 1).advance(START + 1)
    return []


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("global.base_interval", 1e-308),
        ("global.target_rate", 1e-9),
        ("message_types.printer_3d.progress_increment", 1e-308),
        ("message_types.oee.report_seconds", 1e-300),
        ("message_types.customer_order.orders_per_hour", 1e-308),
    ],
)
def test_a_number_that_is_too_small_to_be_reckoned_with_is_refused(place: str, value: float) -> None:
    """With a rule, as any mistake is; there may be others that follow from it."""
    with pytest.raises(PlantConfigError, match=r": (must be|makes) "):
        parse(changed(all_there_is(), tuple(place.split(".")), value))


def test_a_flow_does_not_begin_with_more_pieces_than_can_be_made_at_once() -> None:
    """A million places are room for as many; but they may not all be full as the line begins."""
    data = changed(all_there_is(), ("flow", "buffers", "cnc_machine"), 1_000_000)
    with pytest.raises(
        PlantConfigError, match=r"flow\.initial_fill: puts 500,090 pieces into the buffers at the start"
    ):
        parse(data)

    assert parse(changed(data, ("flow", "initial_fill"), 0.0))
