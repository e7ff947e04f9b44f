"""What the tests with brokers and clients of others need: skipped without it, or failed where it is required."""

from __future__ import annotations

import os

import pytest

from tests.support.neutral import ejabberd


def require_ejabberd() -> None:
    """Skip the test where there is no ejabberd; fail it where EDGEMQTTSIM_REQUIRE_EJABBERD=1."""
    _require(ejabberd.why_unavailable(), "EDGEMQTTSIM_REQUIRE_EJABBERD")


def _require(missing: str | None, variable: str) -> None:
    if missing is None:
        return
    if os.environ.get(variable) == "1":
        pytest.fail(missing)
    pytest.skip(missing)
