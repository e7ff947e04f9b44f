"""Facts about topics."""

from __future__ import annotations

import pytest

from edge.routing import TopicError, TopicRouter, check_filter, check_topic
from edge.settings.types import TopicLayout
from plant.telemetry import Message

ROW = Message("cnc_machine", "CNC-01", "LINE-1-STATION-A", 0, 1, b"{}")
ORDER = Message("customer_order", "customer_order", None, 0, 1, b"{}")


def route(template: str, message: Message = ROW, layout: TopicLayout = TopicLayout.TYPE) -> str:
    """The topic of a message under one template for all kinds."""
    return TopicRouter(lambda _kind: template, "site/a", layout).topic(message)


@pytest.mark.parametrize(
    ("template", "topic"),
    [
        ("{prefix}/cnc", "site/a/cnc"),
        ("{prefix}/{type}/{machine_id}", "site/a/cnc_machine/CNC-01"),
        ("uns/{station_id}/x", "uns/LINE-1-STATION-A/x"),
    ],
)
def test_a_template_is_filled_in(template: str, topic: str) -> None:
    """Each placeholder becomes what it names."""
    assert route(template) == topic


def test_the_machine_layout_adds_the_machines_id() -> None:
    """One topic a machine, so that discovery finds one asset a machine; business events stay as they are."""
    assert route("{prefix}/cnc", layout=TopicLayout.MACHINE) == "site/a/cnc/CNC-01"
    assert route("{prefix}/orders", ORDER, TopicLayout.MACHINE) == "site/a/orders"


def test_the_machine_layout_does_not_repeat_an_id() -> None:
    """A template that has the machine's id as a level is left alone."""
    assert route("{prefix}/{machine_id}/cnc", layout=TopicLayout.MACHINE) == "site/a/CNC-01/cnc"


@pytest.mark.parametrize(
    ("topic", "rule"),
    [
        ("a//b", "no empty level"),
        ("/a", "no empty level"),
        ("a/+/b", "no wildcard"),
        ("a/#", "no wildcard"),
        ("$SYS/a", "must not start with $"),
        ("a\0b", "NUL"),
        ("a" * 65_536, "at most 65535 bytes"),
        ("\u00e9" * 32_768, "at most 65535 bytes"),
        ("", "no empty level"),
    ],
)
def test_a_topic_no_broker_takes_is_refused_by_rule(topic: str, rule: str) -> None:
    """The error names the rule, and cuts a long topic short."""
    with pytest.raises(TopicError, match="topic ") as error:
        check_topic(topic)

    assert rule in str(error.value)
    assert len(str(error.value)) < 400


@pytest.mark.parametrize(
    "topics",
    [
        "#",
        "+",
        "/",
        "a",
        "a/b",
        "a//b",
        "a/#",
        "/#",
        "+/b/+",
        "+/#",
        "$SYS/#",
        "$share/group/a/#",
        "$share/group//",
        "é/+",
    ],
)
def test_topic_filters_may_have_wildcards_as_whole_levels(topics: str) -> None:
    """MQTT 5, 4.7 and 4.8.2."""
    assert check_filter(topics) == topics


@pytest.mark.parametrize(
    ("topics", "rule"),
    [
        ("", "not be empty"),
        ("a#b", "# only as its last level"),
        ("a#", "# only as its last level"),
        ("#/a", "# only as its last level"),
        ("a/#b", "# only as its last level"),
        ("a/##", "# only as its last level"),
        ("a+", r"\+ only as a whole level"),
        ("a/+b/c", r"\+ only as a whole level"),
        ("a\0b", "NUL"),
        ("a/\udcff", "UTF-8"),
        ("é" * 40_000, "at most 65535 bytes"),
        ("$share/group", "not be empty"),
        ("$share//a", "a name without wildcard"),
        ("$share/gr+up/a", "a name without wildcard"),
        ("$share/group/a#", "# only as its last level"),
    ],
)
def test_an_invalid_topic_filter_is_named_with_the_rule(topics: str, rule: str) -> None:
    """Before a broker is asked, whose answer would only be that it does not accept it."""
    with pytest.raises(TopicError, match=rule) as error:
        check_filter(topics)

    assert len(str(error.value)) < 200
