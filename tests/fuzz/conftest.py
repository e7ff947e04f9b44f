"""What the tests of the fuzzing share."""

from __future__ import annotations

import pytest

import fuzz.api
import fuzz.brokers
import fuzz.requests
import fuzz.settings

_LONG_ENOUGH_SECONDS = 20.0


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Judge that things end, and not how soon: that is for `make fuzz`, which has the machine for itself."""
    for module in (fuzz.api, fuzz.brokers, fuzz.requests, fuzz.settings):
        monkeypatch.setattr(module, "LONGEST_SECONDS", _LONG_ENOUGH_SECONDS)
    monkeypatch.setattr(fuzz.requests, "_LATEST_SECONDS", _LONG_ENOUGH_SECONDS)
