"""Spans over OpenTelemetry's SDK: where they belong, and what they say."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from edge.control.inbox import Inbox
from edge.observability.tracing import spans
from edge.observability.tracing.opentelemetry_tracer import OpenTelemetryTracer
from edge.observability.tracing.spans import NOWHERE, Kind

PARENT = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}


@pytest.fixture
def exported() -> Iterator[InMemorySpanExporter]:
    """A tracer that keeps what it exports is in use."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    spans.use(OpenTelemetryTracer(provider, "0"))
    yield exporter
    spans.stop(1.0)


def parent_of(span: ReadableSpan) -> str | None:
    """The id of the span around it."""
    return None if span.parent is None else f"{span.parent.span_id:016x}"


def by_name(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    """All spans."""
    return {span.name: span for span in exporter.get_finished_spans()}


def test_spans_are_part_of_the_one_around_them(exported: InMemorySpanExporter) -> None:
    """And that is part of the trace that is continued."""
    with spans.continued(PARENT), spans.span("outer", {}), spans.span("inner", {"n": 1}):
        pass
    found = by_name(exported)

    assert parent_of(found["outer"]) == "b7ad6b7169203331"
    assert found["inner"].parent == found["outer"].context
    assert dict(found["inner"].attributes or {}) == {"n": 1}


@pytest.mark.parametrize("carrier", [{}, {"traceparent": "00-no"}, {"baggage": "a=b"}])
def test_without_a_valid_place_a_trace_begins(exported: InMemorySpanExporter, carrier: dict[str, str]) -> None:
    """Whatever the current one is: what comes from outside is not part of what goes on here."""
    with spans.span("ours", {}), spans.continued(carrier), spans.span("theirs", {}):
        pass

    assert parent_of(by_name(exported)["theirs"]) is None


def test_what_a_span_has_left_behind_is_not_part_of_it(exported: InMemorySpanExporter) -> None:
    """A callback runs in the context in which it was registered, such as that of a connect which is long over."""

    def later(done: asyncio.Event) -> None:
        with spans.span("later", {}):
            done.set()

    async def connect() -> None:
        done = asyncio.Event()
        with spans.span("connect", {}):
            asyncio.get_running_loop().call_later(0.01, later, done)
        await done.wait()

    asyncio.run(connect())

    assert parent_of(by_name(exported)["later"]) is None


def test_the_inbox_does_its_work_in_the_context_of_whoever_waits(exported: InMemorySpanExporter) -> None:
    """So what a command logs, and begins, is part of its trace, although the run loop executes it."""

    async def act() -> spans.Carrier:
        inbox = Inbox(lambda: None)
        with spans.span("command", {}):
            waiting = asyncio.ensure_future(inbox.run(spans.carrier))
            await asyncio.sleep(0)
        for each in inbox.due(1.0):
            each.settle()
        return await waiting

    carrier = asyncio.run(act())
    command = by_name(exported)["command"].context
    assert command is not None
    assert carrier["traceparent"].split("-")[2] == f"{command.span_id:016x}"


def test_an_exception_fails_its_span(exported: InMemorySpanExporter) -> None:
    """With its kind and its text, redacted."""
    with pytest.raises(ValueError, match="wrong"), spans.span("call", {}):
        raise ValueError("wrong: Bearer abcdef0123456789")
    span = by_name(exported)["call"]

    assert (span.attributes or {})["error.type"] == "ValueError"
    assert span.status.description == "wrong: Bearer [redacted]"


def test_text_is_redacted_and_cut(exported: InMemorySpanExporter) -> None:
    """However it comes into a span."""
    token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"
    with spans.span("call", {"a": token}) as span:
        span.set("b", "x" * 5000)
    attributes = by_name(exported)["call"].attributes or {}

    assert attributes["a"] == "[redacted]"
    assert attributes["b"] == "x" * 1000


def test_a_span_may_end_elsewhere(exported: InMemorySpanExporter) -> None:
    """With its own begin, and a place for those who continue it."""
    span = spans.begin("publish", {}, Kind.PRODUCER, PARENT, start=1.5)
    assert span is not None
    carrier = span.carrier
    span.end()
    found = by_name(exported)["publish"]

    assert found.start_time == 1_500_000_000
    assert found.context is not None
    assert carrier == {"traceparent": f"00-0af7651916cd43dd8448eb211c80319c-{found.context.span_id:016x}-01"}


def test_nothing_is_recorded_where_it_is_off() -> None:
    """And everything that is called then does nothing."""
    with spans.continued(PARENT), spans.span("call", {"a": 1}) as span:
        span.set("b", 2)
        span.rename("other")
        span.fail("why")

    assert not spans.enabled()
    assert spans.carrier() == NOWHERE
    assert spans.begin("publish", {}, Kind.PRODUCER) is None
