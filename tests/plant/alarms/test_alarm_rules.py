"""Mistakes in alarms are reported at their place, and what is left out has a sensible value."""

from __future__ import annotations

from typing import Any

import pytest

from plant.definition.plant_config import PlantConfigError, parse
from plant.forecast.rate_forecast import forecast
from tests.plant.alarms.plants import meters

SIGNALS: dict[str, Any] = {
    "temperature": {"base": 50, "uniform": [-25, 25], "decimals": 1},
    "color": {"choice": {"red": 1, "green": 1}},
    "energy": {"integral_of": "temperature", "decimals": 3},
}
HIGH: dict[str, Any] = {"high": 60}
WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "unknown signal": ({"temprature": HIGH}, "temprature", "is not a signal of this type; did you mean temperature?"),
    "text": ({"color": HIGH}, "color", "cannot have alarms: the signal is text"),
    "nothing": ({"temperature": {"severity": "info"}}, "temperature", "needs high or low, or alarms by name"),
    "clear above high": (
        {"temperature": {"high": 60, "clear_below": 65}},
        "temperature.clear_below",
        "must be at most high, which is 60, got 65",
    ),
    "clear below low": (
        {"temperature": {"low": 30, "clear_above": 25}},
        "temperature.clear_above",
        "must be at least low, which is 30, got 25",
    ),
    "clear without limit": ({"temperature": {"high": 60, "clear_above": 3}}, "temperature.clear_above", "needs low"),
    "low above high": (
        {"temperature": {"high": 60, "low": 61}},
        "temperature.low",
        "must be less than high, which is 60, got 61",
    ),
    "both spellings": (
        {"temperature": {"high": 60, "critical": {"high": 70}}},
        "temperature.high",
        "cannot be used beside alarms by name: give each alarm its own limits",
    ),
    "unknown key": (
        {"temperature": {"high": 60, "clear_bellow": 5}},
        "temperature.clear_bellow",
        "did you mean clear_below?",
    ),
    "unknown key by name": (
        {"temperature": {"critical": {"high": 60, "delay_secnds": 5}}},
        "temperature.critical.delay_secnds",
        "is an unknown key; did you mean delay_seconds?",
    ),
    "two limits by name": (
        {"temperature": {"critical": {"high": 60, "low": 40}}},
        "temperature.critical.low",
        "needs an alarm of its own: one with a name has one limit",
    ),
    "no limit by name": ({"temperature": {"critical": {}}}, "temperature.critical", "needs high or low"),
    "severity": (
        {"temperature": {"high": 60, "severity": "bad"}},
        "temperature.severity",
        "must be 'info', 'warning' or 'critical'",
    ),
    "value": ({"temperature": {"high": "hot"}}, "temperature.high", 'must be a number, got the text "hot"'),
    "value by name": (
        {"temperature": {"critical": {"high": "hot"}}},
        "temperature.critical.high",
        'must be a number, got the text "hot"',
    ),
    "name": ({"temperature": {"so hot": HIGH}}, 'temperature."so hot"', "must have only letters, digits, _ and -"),
    "delay": ({"temperature": {"high": 60, "delay_seconds": -1}}, "temperature.delay_seconds", "must be at least 0"),
    "topic": ({"temperature": {"high": 60, "topic": "a/#"}}, "temperature.topic", "must not contain the wildcards #"),
    "too many": ({"temperature": {f"a{n}": HIGH for n in range(65)}}, "", "must have at most 64 alarms, got 65"),
    "topic of rows": (
        {"temperature": {"high": 60, "topic": "{prefix}/meter"}},
        "temperature.topic",
        "is also the topic of the type",
    ),
    "topic of other alarms": (
        {"temperature": {"high": 60}, "energy": {"high": 1, "topic": "{prefix}/meter/alarms"}},
        "energy.topic",
        "is also the topic of alarms",
    ),
}


def mistakes(alarms: dict[str, Any], **entry: Any) -> list[tuple[str, str]]:
    """The places, below the entry, and the rules of all mistakes."""
    with pytest.raises(PlantConfigError) as raised:
        meters(SIGNALS, alarms, **entry)
    return [(each.path.removeprefix("message_types.meter."), each.rule) for each in raised.value.mistakes]


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_is_reported_at_its_place(name: str) -> None:
    """And is the only one."""
    alarms, place, rule = WRONG[name]
    [(found_place, found_rule)] = mistakes(alarms)

    assert found_place == ".".join(filter(None, ("alarms", place)))
    assert rule in found_rule


def test_all_mistakes_are_reported_at_once() -> None:
    """Of several signals, and of several alarms of a signal."""
    found = mistakes({"temprature": HIGH, "color": HIGH, "temperature": {"a": {}, "b": {"high": 1, "low": 0}}})

    assert [place for place, _ in found] == [
        "alarms.temprature",
        "alarms.color",
        "alarms.temperature.a",
        "alarms.temperature.b.low",
    ]


@pytest.mark.parametrize(
    ("entry", "place", "rule"),
    [
        ({"properties": {"limit": 5}}, "properties.limit", "is a key of the messages of alarms"),
        ({"messages": {"alarms": {}}}, "messages.alarms", "is the class of messages of alarms"),
        (
            {
                "states": {"on": {"share": 1, "dwell_seconds": 1}, "off": {"share": 1, "dwell_seconds": 1}},
                "messages": {"s": {"on_change": True}},
                "report_seconds": None,
            },
            "alarms",
            "need regular messages",
        ),
    ],
    ids=["property", "class", "no regular messages"],
)
def test_alarms_need_names_and_rows_of_their_own(entry: dict[str, Any], place: str, rule: str) -> None:
    """What the rest of an entry has can contradict them."""
    given = {"report_seconds": 1.0, **entry}
    data = {"signals": SIGNALS, "alarms": {"temperature": HIGH}, **given}
    with pytest.raises(PlantConfigError) as raised:
        parse({"message_types": {"meter": {key: value for key, value in data.items() if value is not None}}})

    assert [each.path for each in raised.value.mistakes] == [f"message_types.meter.{place}"]
    assert rule in raised.value.mistakes[0].rule


@pytest.mark.parametrize(
    ("signal", "alarm", "clear"),
    [
        ("temperature", {"high": 60}, 59.0),
        ("temperature", {"low": 30}, 31.0),
        ("temperature", {"high": 60, "clear_below": 60}, 60.0),
        ("energy", {"high": 60}, 59.999),
    ],
    ids=["high", "low", "no hysteresis", "register"],
)
def test_an_alarm_is_cleared_two_percent_of_the_range_from_its_limit(
    signal: str, alarm: dict[str, Any], clear: float
) -> None:
    """Unless it has its own clearing value; what only grows has no range."""
    config = meters(SIGNALS, {signal: alarm})

    assert config.message_types.machines["meter"].alarms[0].clear == pytest.approx(clear)


def test_an_alarm_that_no_value_raises_has_a_note() -> None:
    """Faults keep a signal within its range, too; but it is no mistake: the alarm may be meant for another base."""
    config = meters(SIGNALS, {"temperature": {"never": {"high": 75.1}, "seldom": {"high": 75}, "cold": {"low": 20}}})
    notes = [each for each in forecast(config).notes if "alarm" in each]

    assert notes == [
        f"meter: the alarm temperature.{alarm} is raised at {limit}, but temperature is {bound}: it is never raised."
        for alarm, limit, bound in (("never", 75.1, "at most 75"), ("cold", 20, "at least 25"))
    ]


def test_a_type_takes_over_the_alarms_of_another_one() -> None:
    """Signal by signal, with topics of its own."""
    low = {"low": 10}
    entry = {"report_seconds": 1.0, "signals": SIGNALS, "alarms": {"temperature": HIGH, "energy": HIGH}}
    config = parse({"message_types": {"meter": entry, "gauge": {"extends": "meter", "alarms": {"energy": low}}}})
    gauge = config.message_types.machines["gauge"]

    assert [each.name for each in gauge.alarms] == ["temperature.high", "energy.low"]
    assert [each.kind for each in gauge.alarm_messages] == ["gauge.alarms"]
