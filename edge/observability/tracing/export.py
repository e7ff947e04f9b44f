"""The export of spans: an error there is one line a minute in the log, and disturbs nothing else."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import urlsplit

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from edge.observability.logs import RateLimited
from edge.redaction import from_peer

log = logging.getLogger("tracing")

_SECONDS: Final = 60.0
_LIBRARY, _EXPORTER = "opentelemetry", "opentelemetry.exporter"
_FAILED: Final = "spans cannot be exported endpoint=%s lost=%d reason=%s"


class WatchedExporter(SpanExporter):
    """Exports spans by OTLP, and logs at most once a minute that it cannot. clock: seconds, monotonic.

    endpoint: where to, with the path; None for that of the OTEL_* variables.

    Takes the place of the log of OpenTelemetry's packages, which has several lines for each attempt.
    """

    def __init__(self, clock: Callable[[], float], endpoint: str | None = None) -> None:
        self._log = RateLimited(log, _SECONDS, clock)
        self._reasons = _relay(self._log)
        self._exporter = OTLPSpanExporter(endpoint)
        self._endpoint = _without_secrets(self._exporter._endpoint)  # noqa: SLF001 - only it knows what the variables make
        self._lost = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export spans, or note that they are lost; the SDK does not try again."""
        try:
            result = self._exporter.export(spans)
        except Exception as error:  # noqa: BLE001 - whatever it is, the simulator goes on
            result, self._reasons.last = SpanExportResult.FAILURE, f"{type(error).__name__}: {error}"
        if result is not SpanExportResult.SUCCESS:
            self._lost += len(spans)
            reason = from_peer(self._reasons.last)
            self._log.log(logging.WARNING, "export", _FAILED, self._endpoint, self._lost, reason)
        return result

    def shutdown(self) -> None:
        """Stop, and wait for no further attempt."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call]


class _Relay(logging.Handler):
    """Has what exporters log as the reason of their next failure, and logs the rest of the library rarely."""

    def __init__(self, rate_limited: RateLimited) -> None:
        super().__init__(logging.WARNING)
        self._log, self.last = rate_limited, "unknown"

    def emit(self, record: logging.LogRecord) -> None:
        """Keep or log a record."""
        text = record.getMessage()
        if record.name.startswith(_EXPORTER):
            self.last = text
        else:
            self._log.log(record.levelno, (record.name, record.msg), "%s", from_peer(text))


def _relay(rate_limited: RateLimited) -> _Relay:
    library, relay = logging.getLogger(_LIBRARY), _Relay(rate_limited)
    library.propagate, library.handlers = False, [relay]
    return relay


def _without_secrets(url: str) -> str:
    """Return an address without user, password and query."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
