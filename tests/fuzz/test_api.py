"""A few of the calls that `make fuzz-api` makes, and that it sees what goes wrong."""

from __future__ import annotations

from math import inf
from typing import Any

import pytest

from fuzz.api import daemon_that_publishes, late_at
from tests.support.examples import THOROUGH
from tests.support.processes.waiting import wait_until

CALLS = 200 if THOROUGH else 40


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("compat", ["none", "enms"])
def test_calls_made_of_the_openapi_description_do_no_harm_to_a_plant_at_work(compat: str) -> None:
    """Each is answered as OpenAPI has it, none by an error of ours, and each message is accounted for."""
    with daemon_that_publishes(pause_seconds=0.0, rate=200, compat=compat) as target:
        findings = target.call_all(7, CALLS, lambda _: None)
        wait_until(lambda: messages_of(target) > 200, 30.0, "the plant is at work")
        problems = [*target.final_problems()]

    assert [each.what for each in findings] == problems == []
    assert sum(count for what, count in target.outcomes.items() if what.startswith("answered")) >= CALLS
    assert min(target.outcomes["answered 2xx"], target.outcomes["answered 4xx"]) > 0.15 * CALLS


def messages_of(target: Any) -> int:
    """How many messages the plant has made so far."""
    assert [*target.final_problems()] == []
    return int(target.outcomes["messages beside them"])


def test_lateness_is_that_of_a_share_of_the_turns_between_two_readings() -> None:
    """By the bounds of the histogram."""
    before, after = {0.001: 10.0, 0.01: 20.0, inf: 30.0}, {0.001: 908.0, 0.01: 1009.0, inf: 1030.0}

    assert [late_at(share, before, after) for share in (0.5, 0.98, 0.99)] == [0.001, 0.01, inf]
