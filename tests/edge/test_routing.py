"""Facts about topics."""

from __future__ import annotations

import pytest

from edge.routing import TopicError, TopicRouter, check_topic
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
