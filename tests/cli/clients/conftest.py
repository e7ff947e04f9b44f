"""The brokers at which each command is tested, with the versions of MQTT that they take."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest

import cli.clients.session
from sandbox.broker import EmbeddedBroker
from tests.conftest import StartMosquitto
from tests.support.processes.daemon import running


class At(NamedTuple):
    """A broker, and the flags of a version."""

    port: int
    flags: tuple[str, ...]
    is_5: bool


@pytest.fixture(params=["mosquitto 5", "mosquitto 3.1.1", "embedded 5", "embedded 3.1.1"])
def at(request: pytest.FixtureRequest) -> Iterator[At]:
    """A broker that lets everybody do everything, with a version of MQTT."""
    broker, version = str(request.param).split()
    flags = ("--mqtt-version", version)
    if broker == "embedded":
        with running(EmbeddedBroker()) as embedded:
            yield At(embedded.port, flags, version == "5")
    else:
        start: StartMosquitto = request.getfixturevalue("start_mosquitto")
        yield At(start(listeners=("plain",)).ports["plain"], flags, version == "5")


@pytest.fixture(autouse=True)
def _soon_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that waits for messages looks ten times a second whether its time is over, instead of once."""
    monkeypatch.setattr(cli.clients.session, "_STEP_SECONDS", 0.1)


@pytest.fixture
def mosquitto_port(start_mosquitto: StartMosquitto) -> int:
    """A mosquitto that lets everybody do everything."""
    return start_mosquitto(listeners=("plain",)).ports["plain"]


@pytest.fixture
def embedded() -> Iterator[EmbeddedBroker]:
    """The embedded broker with a plain port."""
    with running(EmbeddedBroker()) as broker:
        yield broker
