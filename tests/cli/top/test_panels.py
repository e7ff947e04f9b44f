"""The lines above the lists of `top`, for what a simulator on one's own machine is seldom at."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from cli.top.document import Node
from cli.top.marks import Samples
from cli.top.panels import upper_lines
from cli.top.spans import plain

WALL = datetime(2026, 1, 5, 8, tzinfo=UTC)
FIGURES = {"availability": 0.9, "performance": 0.8, "quality": 1.0, "oee": 0.72}
BROKER = {"connected": True, "host": "aio-broker", "port": 18883, "tls": True, "auth": "K8S-SAT", "version": "5"}


def lines(**parts: Mapping[str, Any]) -> list[str]:
    """The lines of an overview with these parts, on 200 columns."""
    overview = Node({"at": "2026-01-05T08:00:00.000Z", "wall": "2026-01-05T08:00:00.000Z", **parts})
    return [plain(each) for each in upper_lines(overview, Samples(), 200)]


@pytest.mark.parametrize(
    ("broker", "line"),
    [
        ({}, "Broker   connected to aio-broker:18883 (MQTT 5, TLS, K8S-SAT)"),
        ({"connects": 3}, "Broker   connected to aio-broker:18883 (MQTT 5, TLS, K8S-SAT)   reconnects 2"),
        ({"connects": 4, "clients": 4}, "Broker   connected to aio-broker:18883 (MQTT 5, TLS, K8S-SAT)"),
        (
            {"devices": {"wanted": 20, "up": 18}},
            "Broker   connected to aio-broker:18883 (MQTT 5, TLS, K8S-SAT)   machines connected 18 of 20",
        ),
        (
            {"connected": False, "last_reason": "refused: 0x87"},
            "Broker   not connected to aio-broker:18883 (MQTT 5, TLS, K8S-SAT): refused: 0x87",
        ),
        (
            {"blocked": "no message is accepted"},
            "Broker   blocked, connected to aio-broker:18883 (MQTT 5, TLS, K8S-SAT): no message is accepted",
        ),
    ],
)
def test_the_connection_is_described_in_words(broker: Mapping[str, Any], line: str) -> None:
    """And why it is not as it should be."""
    assert line in lines(broker={**BROKER, **broker})


@pytest.mark.parametrize(
    ("seconds", "text"), [(3600, "expires in 1 h"), (61, "expires in 1 min 1 s"), (-5, "expired 5 s ago")]
)
def test_a_token_is_described_by_the_clock_of_the_simulator(seconds: float, text: str) -> None:
    """Whatever the clock of the terminal."""
    broker = {**BROKER, "token_expiry": WALL.timestamp() + seconds, "token_renewals": 1}

    assert f"Token    {text}   renewed 1 time" in lines(broker=broker)


def test_there_is_no_token_without_one() -> None:
    """As with a password."""
    assert [line for line in lines(broker=BROKER) if line.startswith("Token")] == []


def test_the_oee_that_is_reported_stands_below_the_true_one() -> None:
    """Each factor below its like."""
    found = lines(oee={"truth": FIGURES, "reported": {**FIGURES, "oee": 0.7}})
    at = found.index("True OEE 72.0 % = availability 90.0 % × performance 80.0 % × quality 100.0 %")  # noqa: RUF001

    assert found[at + 1] == "Reported 70.0 % = availability 90.0 % × performance 80.0 % × quality 100.0 %"  # noqa: RUF001


def test_the_true_oee_is_of_the_time_of_the_reported_one() -> None:
    """Where messages have reported something; otherwise of the whole run."""
    meanwhile = {**FIGURES, "oee": 0.6}

    assert any(
        line.startswith("True OEE 60.0 %")
        for line in lines(oee={"truth": FIGURES, "truth_meanwhile": meanwhile, "reported": FIGURES})
    )
    assert any(
        line.startswith("True OEE 72.0 %")
        for line in lines(oee={"truth": FIGURES, "truth_meanwhile": meanwhile, "reported": {"oee": None}})
    )


def test_alarms_are_counted_by_severity() -> None:
    """Beside how many there were."""
    alarms = {"declared": True, "raised": 12, "cleared": 9, "active": {"high": 1, "low": 2, "none": 0}}

    assert "Alarms   1 high, 2 low active   raised 12   cleared 9" in lines(alarms=alarms)


def test_what_is_dropped_and_refused_is_summed() -> None:
    """Over all reasons."""
    queue = {"depth": 900, "size": 1000, "policy": "drop-oldest", "in_flight": 7}
    found = lines(queue=queue, ledger={"dropped": {"oldest": 3, "too_large": 1}, "refused": {"135": 2}})

    assert "Queue    900 of 1,000 (drop-oldest)   in flight 7   dropped 4" in found
    assert found[-4].endswith("refused 2")


def test_parts_of_a_plant_say_so() -> None:
    """Workers, and the shard."""
    process = {
        "seed": "1",
        "workers": 4,
        "shard": "2/3",
        "uptime_seconds": 61,
        "status": "failing",
        "reason": "it hangs",
    }
    found = lines(process=process, types={"a": {}})

    assert "Plant    0 machines of 1 type   up 1 min 1 s   seed 1   4 workers   shard 2/3" in found
    assert found[0].split()[1:2] == ["FAILING"]
    assert found[1] == "Reason   it hangs"
