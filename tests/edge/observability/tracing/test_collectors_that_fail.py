"""Traces whose collector does not take them: away, silent, or not to be asked as the variables say."""

from __future__ import annotations

import json
import re
import socket
import time
from typing import Final

import pytest

from sandbox.broker import EmbeddedBroker
from tests.edge.observability.tracing.test_whole_traces import broker as broker  # noqa: PLC0414 - a fixture
from tests.edge.observability.tracing.test_whole_traces import started
from tests.support.brokers.subscriber import Recorder
from tests.support.examples import cases
from tests.support.processes.ports import free_port


def silent_endpoint() -> socket.socket:
    """A port that accepts connections and never answers."""
    return socket.create_server(("127.0.0.1", 0))


def test_a_collector_that_is_away_costs_one_line(broker: EmbeddedBroker) -> None:
    """Every message is delivered in time, and the end waits two seconds at most."""
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://user:s3cret@127.0.0.1:{free_port()}"}
    environ |= {"OTEL_BSP_SCHEDULE_DELAY": "100", "OTEL_EXPORTER_OTLP_TIMEOUT": "1"}
    with Recorder(broker.port), started(broker, environ, "--duration", "3", "--trace-rate", "100") as daemon:
        assert daemon.wait(30) == 0, daemon.log
        lines = [json.loads(line) for line in daemon.errors]
    warnings = [line for line in lines if line["level"] not in ("info", "debug")]

    assert [line["logger"] for line in warnings] == ["tracing"]
    assert re.match(
        r"spans cannot be exported endpoint=http://127\.0\.0\.1:\d+/v1/traces lost=", warnings[0]["message"]
    )
    assert "s3cret" not in daemon.log


NOT_TO_BE_SENT: Final = (
    "authorization=Bearer%0Azq7hidden7secret",
    "Authorization zq7hidden7secret",
    "a=zq7hidden7secret%0Ab",
)


@pytest.mark.parametrize("headers", cases(NOT_TO_BE_SENT, 2))
def test_no_secret_is_in_the_log_where_it_cannot_be_sent(broker: EmbeddedBroker, headers: str) -> None:
    """The SDK, and the library that it sends by, quote a header that is none."""
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{free_port()}", "OTEL_EXPORTER_OTLP_HEADERS": headers}
    environ |= {"OTEL_BSP_SCHEDULE_DELAY": "100", "OTEL_EXPORTER_OTLP_TIMEOUT": "1"}
    with started(broker, environ, "--duration", "1", "--trace-rate", "100") as daemon:
        assert daemon.wait(30) == 0, daemon.log

    assert "spans cannot be exported" in daemon.log or "Header format invalid" in daemon.log
    assert "hidden7secret" not in daemon.log


def test_a_collector_that_never_answers_does_not_hold_up_the_end(broker: EmbeddedBroker) -> None:
    """It would take a minute to be given up, and two seconds are waited."""
    with silent_endpoint() as silent:
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{silent.getsockname()[1]}"}
        with started(broker, environ | {"OTEL_EXPORTER_OTLP_TIMEOUT": "60"}, "--duration", "2") as daemon:
            daemon.says('"logger":"statistics"')
            ended = time.monotonic()
            assert daemon.wait(30) == 0, daemon.log

    assert time.monotonic() - ended > 1.5
