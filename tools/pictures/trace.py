"""Draws one trace as an SVG, as a collector received it: a command over HTTP, its message, and what a subscriber does.

python -m tools.pictures.trace > docs/pictures/trace.svg      runs a simulator, a broker, a collector and a subscriber
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from sandbox.broker import EmbeddedBroker
from tests.edge.observability.tracing.test_whole_traces import (
    Caller,
    client_of,
    continued,
    receive,
    started,
    stop,
)
from tests.support.brokers.subscriber import Recorder
from tests.support.processes.collector import Collector, Received
from tests.support.processes.daemon import running
from tools.pictures.drawing import LEFT, document, ground

LINE, TOP, NAMES, BARS = 34, 44, 250, 640
COLOURS: Final = {"SERVER": "#0969da", "INTERNAL": "#8250df", "PRODUCER": "#2da44e", "CONSUMER": "#bf8700"}
SENDERS: Final = {"edgemqttsim": "simulator"}


def recorded() -> list[Received]:
    """Return the spans of a trace, in the order in which they began."""
    caller = Caller()
    with running(EmbeddedBroker()) as broker, Collector() as collector, Recorder(broker.port) as recorder:
        with started(broker, collector.environ, "--trace-rate", "0") as daemon, client_of(daemon) as client:
            client.post("/api/v1/commands", json=stop(3), headers=caller.headers).raise_for_status()
            receive(continued(recorder, caller.trace), collector)
            for name in ("POST", "command", "publish", "process"):
                collector.find(name, trace_id=caller.trace)
        spans = (span for span in collector.spans if span.trace_id == caller.trace)
        return sorted(spans, key=lambda span: span.begin_ns)


def svg(spans: Sequence[Received]) -> str:
    """Return the picture: a line a span, its bar where it was in time, and how long it took."""
    begin, end = spans[0].begin_ns, max(span.end_ns for span in spans)
    height = TOP + LINE * len(spans) + 16
    seconds = (end - begin) / 1e9
    words = f'<text x="{LEFT}" y="24" font-weight="600">One trace, {seconds:.2f} s: from a call to a subscriber</text>'
    lines = [part for place, span in enumerate(spans) for part in _line(place, span, begin, end)]
    return document("A command as one trace", height, [words, ground(TOP - 8, LINE * len(spans)), *lines])


def _line(place: int, span: Received, begin: int, end: int) -> Iterator[str]:
    y = TOP + LINE * place
    x = LEFT + NAMES + (span.begin_ns - begin) / (end - begin) * (BARS - 80)
    width = max(3.0, (span.end_ns - span.begin_ns) / (end - begin) * (BARS - 80))
    sender = SENDERS.get(str(span.resource["service.name"]), "subscriber")
    yield f'<text x="{LEFT + 8 + 14 * place}" y="{y + 9}">{escape(span.name)}</text>'
    yield f'<text x="{LEFT + 8 + 14 * place}" y="{y + 21}" font-size="10" fill="#6e7781">{sender}, {span.kind}</text>'
    yield f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="16" fill="{COLOURS[span.kind]}"/>'
    took = f"{(span.end_ns - span.begin_ns) / 1e6:.1f} ms"
    yield f'<text x="{x + width + 5:.1f}" y="{y + 12}" font-size="11">{took}</text>'


if __name__ == "__main__":
    sys.stdout.write(svg(recorded()))
