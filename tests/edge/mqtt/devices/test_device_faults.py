"""Facts about faults with a connection for each machine: whatever happens to broker, link or token, no message is lost,
doubled without cause, or late.

The stories are in tests/support/brokers/fault_stories.py, and each is one test.
"""

from __future__ import annotations

import pytest

from tests.support.brokers.credentials import Credentials
from tests.support.brokers.fault_stories import NAMES, PER_MACHINE, told


@pytest.fixture(scope="module")
def failures(credentials: Credentials, tmp_path_factory: pytest.TempPathFactory) -> dict[str, BaseException | None]:
    """All stories, by name: how each failed, or None."""
    return told(PER_MACHINE, credentials, tmp_path_factory.mktemp("tokens"))


@pytest.mark.timeout(150)  # The first one has the time of all.
@pytest.mark.parametrize("story", NAMES)
def test_no_fault_costs_a_message(story: str, failures: dict[str, BaseException | None]) -> None:
    """Under each fault the ledger balances at every look, what is acknowledged is with the subscriber, in its machine's
    order and without needless copies; and with a queue that is large enough nothing is lost."""
    failure = failures[story]
    if failure is not None:
        raise failure
