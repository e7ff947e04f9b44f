"""The tracer over OpenTelemetry's SDK, and its export by OTLP over HTTP; imported only where tracing is on.

Endpoint, headers, sampler, limits and the rest are read by the SDK from the OTEL_* variables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Final

from opentelemetry import context as contexts
from opentelemetry.context import Context
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    INVALID_SPAN_CONTEXT,
    SpanKind,
    Status,
    StatusCode,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace import Span as OtelSpan
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from edge.observability.logs import mark_records
from edge.observability.tracing.export import WatchedExporter
from edge.observability.tracing.spans import Attributes, Carrier, Kind, OpenSpan, Span, Value
from edge.redaction import from_peer, redact

_LONGEST: Final = 1000
_PROPAGATOR: Final = TraceContextTextMapPropagator()


def make_tracer(
    version: str,
    instance: str,
    clock: Callable[[], float],
    endpoint: str | None = None,
    service_name: str | None = None,
) -> OpenTelemetryTracer:
    """Return a tracer that exports from a thread of its own, and mark what is logged within a span with its ids.

    clock: seconds, monotonic.  endpoint, service_name: where the SDK is not to take those of the OTEL_* variables.
    """
    resource = Resource.create().merge(
        Resource({"service.name": "edgemqttsim", "service.version": version, "service.instance.id": instance})
    )
    resource = resource.merge(OTELResourceDetector().detect())
    if service_name is not None:
        resource = resource.merge(Resource({"service.name": service_name}))
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(WatchedExporter(clock, endpoint)))
    mark_records(_ids)
    return OpenTelemetryTracer(provider, version)


def _ids() -> dict[str, str]:
    """Return the ids of the current span, while it is recorded."""
    span = get_current_span()
    if not span.is_recording():
        return {}
    found = span.get_span_context()
    return {"trace_id": f"{found.trace_id:032x}", "span_id": f"{found.span_id:016x}"}


class OpenTelemetryTracer:
    """Makes spans by a provider of the SDK."""

    def __init__(self, provider: TracerProvider, version: str) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("edgemqttsim", version)

    @contextmanager
    def span(self, name: str, attributes: Attributes, kind: Kind) -> Iterator[Span]:
        """Return a span that is the current one inside, and part of the one around it, unless that has ended.

        A connection's callbacks run in the context in which it was opened, whose span is over by then.
        """
        current = get_current_span()
        around = Context() if isinstance(current, ReadableSpan) and current.end_time is not None else None
        span = self._tracer.start_span(name, around, SpanKind[kind], _cleaned(attributes))
        recorded = RecordedSpan(span)
        token = contexts.attach(set_span_in_context(span, around))
        try:
            yield recorded
        except BaseException as error:
            recorded.fail(type(error).__qualname__, str(error))
            raise
        finally:
            contexts.detach(token)
            span.end()

    @contextmanager
    def continued(self, carrier: Carrier) -> Iterator[None]:
        """Make a place in a trace the current one inside; without a valid one, a trace begins there."""
        token = contexts.attach(_context(carrier))
        try:
            yield
        finally:
            contexts.detach(token)

    def carrier(self) -> Carrier:
        """Return the current place."""
        return _carrier(contexts.get_current())

    def begin(
        self, name: str, attributes: Attributes, kind: Kind, parent: Carrier, start: float | None = None
    ) -> OpenSpan | None:
        """Return a span that ends elsewhere, or None where it is not sampled."""
        start_ns = None if start is None else round(start * 1e9)
        span = self._tracer.start_span(
            name, _context(parent), SpanKind[kind], _cleaned(attributes), start_time=start_ns
        )
        return RecordedSpan(span) if span.is_recording() else None

    def stop(self, seconds: float) -> None:
        """Export what is left. A collector that does not answer is left alone after `seconds`."""
        ending = Thread(target=self._provider.shutdown, name="last export", daemon=True)
        ending.start()
        ending.join(seconds)


class RecordedSpan:
    """A span of the SDK. Text is redacted and cut, as it may come from a peer."""

    def __init__(self, span: OtelSpan) -> None:
        self._span = span

    def rename(self, name: str) -> None:
        """Give it another name."""
        self._span.update_name(name)

    def set(self, name: str, value: Value) -> None:
        """Set an attribute."""
        self._span.set_attribute(name, _clean(value))

    def fail(self, error_type: str, why: str = "") -> None:
        """Note that it failed."""
        self._span.set_attribute("error.type", error_type)
        self._span.set_status(Status(StatusCode.ERROR, from_peer(redact(why)) or None))

    @property
    def carrier(self) -> Carrier:
        """Its place, for those who continue it."""
        return _carrier(set_span_in_context(self._span, Context()))

    def end(self) -> None:
        """End it now."""
        self._span.end()


def _context(carrier: Carrier) -> Context:
    return _PROPAGATOR.extract(dict(carrier), Context())


def _carrier(context: Context) -> Carrier:
    found: dict[str, str] = {}
    if get_current_span(context).get_span_context() != INVALID_SPAN_CONTEXT:
        _PROPAGATOR.inject(found, context)
    return found


def _cleaned(attributes: Attributes) -> dict[str, Value]:
    return {name: _clean(value) for name, value in attributes.items()}


def _clean(value: Value) -> Value:
    return redact(value)[:_LONGEST] if isinstance(value, str) else value
