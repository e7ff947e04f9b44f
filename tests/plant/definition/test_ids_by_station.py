"""Ids of machines over their station: `press`, and `press-2` for the second one at it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messages import START, FactoryMessageGenerator
from plant.catalogue.field_specs import id_pattern
from plant.definition.identity.id_pattern import IdPattern, may_share_an_id
from plant.definition.machine_ids import is_machine, machine_ids
from plant.definition.plant_config import PlantConfig, PlantConfigError, parse
from plant.interventions.commands import parse as command
from tests.support.factory.plants import rows

TAG: Final[Mapping[str, Any]] = {
    "machine_id": "{station}",
    "stations": ["press", "oven"],
    "report_seconds": 1,
    "signals": {"v": {"base": 1}},
}


def plant(**types: Mapping[str, Any]) -> PlantConfig:
    """A plant of these types."""
    return parse({"message_types": types})


def tag(**own: Any) -> PlantConfig:
    """A plant of one type with ids by station."""
    return plant(tag={**TAG, **own})


def test_a_machine_has_the_id_of_its_station() -> None:
    """With what is around the placeholder."""
    assert [*machine_ids(tag(count=2, machine_id="a.{station}.z"))] == ["a.press.z", "a.oven.z"]


def test_more_machines_than_stations_are_counted_at_each() -> None:
    """From the second one on, so that all ids differ."""
    assert [*machine_ids(tag(count=5))] == ["press", "oven", "press-2", "oven-2", "press-3"]


def test_messages_of_all_have_their_ids() -> None:
    """As many machines as ids."""
    generator = FactoryMessageGenerator.of(tag(count=5), 1, start=START)

    assert {row["machine_id"] for row in rows(generator.advance(START + 3))} == {*machine_ids(tag(count=5))}


@given(st.integers(1, 10**6), st.sampled_from([("press",), ("9", "a-b"), ("press", "oven", "x-9y")]))
def test_an_id_leads_back_to_its_machine(number: int, stations: tuple[str, ...]) -> None:
    """Whatever stations there are."""
    ids = IdPattern("{station}", 1, stations)

    assert ids.number_of(ids.id_of(number)) == number


@pytest.mark.parametrize("wrong", ["", "press-1", "press-02", "press-0", "press-", "press-4", "presses", "Press"])
def test_other_texts_are_no_ids(wrong: str) -> None:
    """Of a number no padding, and none below 2."""
    assert not is_machine(tag(count=5), wrong)


def test_a_command_finds_a_machine_by_its_station() -> None:
    """And another one of the same station by its number."""
    plant = FactoryMessageGenerator.of(tag(count=5), 1, start=START)

    for machine_id in ("press", "oven-2"):
        answer = plant.execute(command({"command": "stop", "machine_id": machine_id}), START)
        assert answer == {"machine_id": machine_id, "state": "stopped"}


def test_overrides_name_a_machine_by_its_station() -> None:
    """Of two, one has another level."""
    config = tag(count=2, overrides={"oven": {"signals": {"v": {"base": 7}}}})
    found = rows(FactoryMessageGenerator.of(config, 1, start=START).advance(START + 3))

    assert {(row["machine_id"], row["v"]) for row in found} == {("press", 1), ("oven", 7)}


def test_schemas_and_queries_know_the_ids() -> None:
    """The regular expression matches all ids of the type, and no other machine's."""
    config = tag(count=5)
    machine_type = config.machine_type("tag")
    assert machine_type is not None

    assert all(re.search(id_pattern(machine_type), each) for each in machine_ids(config))
    assert not re.search(id_pattern(machine_type), "presses")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"machine_id": "{station}", "stations": ["oven"]}, {}),
        ({"machine_id": "press-{number}"}, {}),
        ({"machine_id": "press-{number:03d}"}, {}),
        ({"machine_id": "{number}", "first_number": 5}, {"stations": ["7"]}),
        ({"machine_id": "oven-1{number}"}, {}),
        ({"machine_id": "{number}-2"}, {"stations": ["1"]}),
        ({"machine_id": "1-{number}"}, {"machine_id": "{number}-2"}),
        ({"machine_id": "12-{number}"}, {"machine_id": "{number}2-5"}),
    ],
)
def test_two_types_that_may_share_an_id_are_an_error(one: Mapping[str, Any], other: Mapping[str, Any]) -> None:
    """With the other type, whatever their counts are."""
    with pytest.raises(PlantConfigError, match="may give a machine the id of one of"):
        plant(one={"signals": {"v": {"base": 1}}, **one}, tag={**TAG, **other})


def test_types_with_other_stations_are_none() -> None:
    """Also where one is the beginning of the other."""
    config = plant(one={**TAG, "stations": ["press_2", "pre"]}, tag=TAG, two={"signals": {"v": {"base": 1}}})

    assert [*machine_ids(config)] == ["press_2", "press", "TWO-01"]


_PATTERNS: Final = st.builds(
    IdPattern,
    st.sampled_from(
        ["{station}", "a{station}", "{number}", "a{number}", "a-{number}", "a-1{number:02d}", "{number}-2"]
    ),
    st.integers(0, 3),
    st.lists(st.sampled_from(["a", "b", "1", "a-x", "aa", "2"]), min_size=1, max_size=3, unique=True).map(tuple),
)


@given(_PATTERNS, _PATTERNS)
def test_two_types_with_an_id_in_common_are_found(one: IdPattern, other: IdPattern) -> None:
    """Any two of which some of the first thirty machines have the same id."""
    first, second = ({each.id_of(number) for number in range(1, 31)} for each in (one, other))

    assert may_share_an_id(one, other) or first.isdisjoint(second)


@pytest.mark.parametrize(
    ("own", "rule"),
    [
        ({"machine_id": "{station}", "stations": None}, r"stations: is missing: machine_id has \{station\}"),
        ({"first_number": 5}, r"first_number: needs \{number\} in machine_id"),
        ({"stations": ["press", "press-2"]}, 'stations: makes the id "press-2" twice'),
        ({"topic": "{prefix}/{number}"}, r"machine_id: needs \{number\}, which a topic has"),
        ({"machine_id": "{station}{number}"}, r"machine_id: must have \{number\}"),
    ],
)
def test_what_gives_no_ids_is_an_error(own: Mapping[str, Any], rule: str) -> None:
    """With its place."""
    entry = {key: value for key, value in {**TAG, **own}.items() if value is not None}
    with pytest.raises(PlantConfigError, match=rule):
        plant(tag=entry)
