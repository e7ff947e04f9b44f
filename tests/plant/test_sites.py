"""Facts about plants whose machine types are at sites, with calendars, time zones and signals of their own."""

from __future__ import annotations

import copy
import statistics
from collections.abc import Sequence
from functools import cache
from itertools import combinations, pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messages import FactoryMessageGenerator
from plant.config_changes import describe_changes
from plant.definition.plant_config import PlantConfig, parse
from plant.fleets.fleet_measurements import plant_signals
from plant.telemetry import Message
from tests.support.examples import examples
from tests.support.factory.odd_plants import ODD_PLANTS, odd_plant

HOUR = 3600.0
DAY = 24 * HOUR
WINTER = 1_767_225_600.0
"""Midnight of 2026-01-01, UTC."""
BERLIN, ANGELES = "Europe/Berlin", "America/Los_Angeles"
BERLIN_TO_SUMMER = 1_774_746_000.0
"""2026-03-29T01:00Z: from here on it is summer time in Berlin; in Los Angeles it has been since the 8th."""
METER: dict[str, Any] = {
    "count": 2,
    "report_seconds": 600,
    "signals": {
        "here": {"formula": "hour", "limits": [0, 24], "decimals": 3},
        "outdoor": {"formula": "plant.outdoor", "limits": [-90, 90], "decimals": 4},
    },
}
STATES = {"running": {"share": 0.9, "dwell_seconds": 900}, "idle": {"share": 0.1, "dwell_seconds": 100}}
NIGHT = [{"start": "22:00", "end": "06:00"}]


def data(**changes: Any) -> dict[str, Any]:
    """A plant of three meters: one in Berlin, one in Los Angeles, one at no site."""
    sites = {"europe": {"calendar": {"time_zone": BERLIN}}, "demo": {"calendar": {"time_zone": ANGELES}}}
    types = {"eu": METER | {"site": "europe"}, "us": METER | {"site": "demo"}, "other": METER}
    shared = {"outdoor": {"base": 10, "noise": 2, "decimals": 4}}
    return {"plant_signals": shared, "sites": sites, "message_types": types} | changes


def said(config: PlantConfig, until: float = WINTER + DAY, start: float = WINTER) -> list[Message]:
    """The messages of a plant."""
    return FactoryMessageGenerator.of(config, 1, start=start).advance(until)


def column(messages: Sequence[Message], kind: str, key: str) -> list[Any]:
    """A value of each message of a type."""
    return [orjson.loads(each.payload)[key] for each in messages if each.kind == kind]


@pytest.mark.parametrize(
    ("start", "europe", "demo"),
    [(WINTER + 12 * HOUR, 13, 4), (BERLIN_TO_SUMMER - HOUR, 1, 17), (BERLIN_TO_SUMMER, 3, 18)],
    ids=["winter", "before the change", "after it"],
)
def test_each_site_has_its_own_hour(start: float, europe: int, demo: int) -> None:
    """By its time zone, also in the night in which one of two changes its clock; UTC at no site."""
    messages = said(parse(data()), start + 1200, start)
    hours = {kind: column(messages, kind, "here")[0] for kind in ("eu", "us", "other")}

    assert [int(hours[kind]) for kind in ("eu", "us")] == [europe, demo]
    assert int(hours["other"]) == start % DAY // HOUR


SOURCES: dict[str, dict[str, Any]] = {
    "noise": {"base": 10, "noise": 2},
    "walk": {"base": 10, "walk": {"sigma": 2, "memory_seconds": 60}},
    "uniform": {"base": 10, "uniform": [-3.4641, 3.4641]},
}


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_signals_of_two_sites_have_the_same_law_and_independent_random_numbers(source: dict[str, Any]) -> None:
    """A signal from the top level has its mean and its deviation at each site, and no correlation between them."""
    config = parse(data(plant_signals={"outdoor": source | {"decimals": 4}}))
    times = range(0, 2000 * 600_000, 600_000)
    of_sites = [plant_signals(config, site, 1) for site in ("europe", "demo", None)]
    values = [[float(each.row(0, time_ms)[0]) for time_ms in times] for each in of_sites]

    for each in values:
        assert statistics.mean(each) == pytest.approx(10, abs=4 * 2 / len(times) ** 0.5)
        assert statistics.stdev(each) == pytest.approx(2, rel=0.1)
    for one, other in combinations(values, 2):
        assert abs(statistics.correlation(one, other)) < 4 / len(times) ** 0.5


def test_a_type_at_no_site_knows_nothing_of_sites() -> None:
    """It has the same bytes whether or not there are sites beside it."""
    alone = data(sites={}, message_types={"other": METER})
    beside = [each for each in said(parse(data())) if each.kind == "other"]

    assert [each.payload for each in beside] == [each.payload for each in said(parse(alone))]


def test_a_site_replaces_single_signals_of_the_plant() -> None:
    """Its own stand in place of those of the same names, and others may use them, wherever they are written."""
    shared = {"outdoor": {"base": 10}, "double": {"formula": "2 * outdoor", "limits": [-100, 100]}}
    own = {"outdoor": {"formula": "base_load + 1", "limits": [0, 9]}, "base_load": {"base": 3}}
    sites = {"europe": {"plant_signals": own}, "demo": {}}
    meter = METER | {"signals": {"value": {"formula": "plant.double", "limits": [-100, 100]}}}
    types = {"eu": meter | {"site": "europe"}, "us": meter | {"site": "demo"}, "other": meter}
    messages = said(parse(data(plant_signals=shared, sites=sites, message_types=types)), WINTER + HOUR)

    assert [{*column(messages, kind, "value")} for kind in ("eu", "us", "other")] == [{8}, {20}, {20}]


def test_planned_stops_are_those_of_the_site() -> None:
    """A night shift in Berlin has 7 and 8 hours around the change of the clock, while one in Los Angeles has 8."""
    calendars = {"europe": BERLIN, "demo": ANGELES}
    sites = {name: {"calendar": {"time_zone": zone, "shifts": NIGHT}} for name, zone in calendars.items()}
    machine = {"report_seconds": 60, "states": STATES}
    types = {"eu": machine | {"site": "europe"}, "us": machine | {"site": "demo"}, "other": machine}
    start = BERLIN_TO_SUMMER - 13 * HOUR  # noon, UTC
    messages = said(parse(data(sites=sites, message_types=types)), start + DAY, start)
    stops = {kind: [state == "planned_stop" for state in column(messages, kind, "status")] for kind in types}
    begins = {
        kind: [at / 60 for at, pair in enumerate(pairwise(its), 1) if pair == (True, False)]
        for kind, its in stops.items()
    }

    assert {kind: its.count(False) / 60 for kind, its in stops.items()} == {"eu": 7, "us": 8, "other": 24}
    assert begins == {"eu": [9], "us": [17], "other": []}


def test_what_is_extended_gives_its_site() -> None:
    """A type is at the site of the one that it extends, unless it names another."""
    types = {"eu": METER | {"site": "europe"}, "same": {"extends": "eu"}, "moved": {"extends": "eu", "site": "demo"}}
    config = parse(data(message_types=types))

    assert [config.message_types.machines[key].site for key in types] == ["europe", "europe", "demo"]


def test_a_reload_moves_a_type_to_another_site() -> None:
    """From that moment on it has the hours of the other; the log says what has changed."""
    before, moved = parse(data()), data()
    moved["message_types"]["eu"] = METER | {"site": "demo"}
    plant = FactoryMessageGenerator.of(before, 1, start=WINTER)
    first = column(plant.advance(WINTER + HOUR), "eu", "here")
    plant.reload(parse(moved))
    then = column(plant.advance(WINTER + 2 * HOUR), "eu", "here")

    assert {int(each) for each in first} <= {1, 2}
    assert {int(each) for each in then} <= {17, 18}
    assert "changed: eu: site" in describe_changes(before, parse(moved))


def test_the_log_names_a_site_that_has_changed() -> None:
    """And what of it."""
    before, after = data(), data()
    after["sites"]["europe"] = {"calendar": {"time_zone": "Europe/Rome"}, "plant_signals": {"new": {"base": 1}}}
    del after["sites"]["demo"]
    after["message_types"]["us"] = METER
    after["plant_signals"]["outdoor"] = {"base": 11}
    text = describe_changes(parse(before), parse(after))

    assert text.endswith(
        "changed: us: site; plant_signals: outdoor; sites.europe: calendar, plant_signals; sites.demo: gone"
    )


SITED = odd_plant("sited")


@cache
def of_sites() -> list[tuple[int, str, bytes]]:
    """What a plant of sites under load says in four hours, in one piece."""
    return sorted(_bytes(said(SITED, WINTER + 6 * HOUR, WINTER + 2 * HOUR)))


@settings(max_examples=examples(10, 3), deadline=None)
@given(st.lists(st.floats(1, 4 * HOUR), min_size=1, max_size=5), st.integers(1, 4), st.booleans())
def test_steps_shards_and_reloads_of_the_same_change_no_byte(cuts: list[float], shards: int, reload: bool) -> None:
    """However time is cut, and however machines are spread, a plant of sites under load says the same."""
    start, end = WINTER + 2 * HOUR, WINTER + 6 * HOUR
    same = parse(copy.deepcopy(ODD_PLANTS["sited"]))
    parts = [FactoryMessageGenerator.of(SITED, 1, start=start, shard=(k + 1, shards)) for k in range(shards)]
    found = []
    for part in parts:
        for cut in sorted(cuts):
            found += part.advance(start + cut)
            if reload:
                part.reload(same)
        found += part.advance(end)

    assert sorted(_bytes(found)) == of_sites()


def _bytes(messages: Sequence[Message]) -> list[tuple[int, str, bytes]]:
    return [(each.time_ms, each.source, each.payload) for each in messages]
