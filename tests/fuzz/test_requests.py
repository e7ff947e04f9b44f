"""Facts about odd HTTP requests: a few of those that `make fuzz` makes, and that it sees what goes wrong."""

from __future__ import annotations

import pytest

from fuzz.campaign import random_for
from fuzz.requests import target_under_attack


@pytest.mark.usefixtures("patient")
def test_odd_requests_do_no_harm_to_a_factory_at_work() -> None:
    """No fault of ours is answered or logged, probes are answered, messages go out and are accounted for."""
    with target_under_attack() as target:
        findings = [what for case in range(15) for what in target.attack(random_for(1, case), print)]
        findings += target.final_problems()

    assert findings == []
    assert sum(target.outcomes.values()) == 15
    assert target.slowest_seconds > 0
