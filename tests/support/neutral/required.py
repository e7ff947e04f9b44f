"""What the tests with brokers and clients of others need: skipped without it, or failed where it is required."""

from __future__ import annotations

import os
import shutil

import pytest

from tests.support.brokers.plugin import NO_MOSQUITTO
from tests.support.neutral import ejabberd, readers


def require_ejabberd() -> None:
    """Skip the test where there is no ejabberd; fail it where EDGEMQTTSIM_REQUIRE_EJABBERD=1."""
    _require(ejabberd.why_unavailable(), "EDGEMQTTSIM_REQUIRE_EJABBERD")


def require_mosquitto_sub() -> None:
    """Skip the test where there is no mosquitto_sub; fail it where EDGEMQTTSIM_REQUIRE_MOSQUITTO=1."""
    missing = None if shutil.which("mosquitto_sub") else f"{NO_MOSQUITTO}, nor mosquitto_sub (mosquitto-clients), here"
    _require(missing, "EDGEMQTTSIM_REQUIRE_MOSQUITTO")


def require_mqttjs() -> None:
    """Skip the test where there is no MQTT.js; fail it where EDGEMQTTSIM_REQUIRE_MQTTJS=1."""
    _require(readers.why_no_mqttjs(), "EDGEMQTTSIM_REQUIRE_MQTTJS")


def _require(missing: str | None, variable: str) -> None:
    if missing is None:
        return
    if os.environ.get(variable) == "1":
        pytest.fail(missing)
    pytest.skip(missing)
