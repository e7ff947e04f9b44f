"""A receiver of traces: OTLP over HTTP on a free port, which keeps every span that it is sent."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as ProtoSpan
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from tests.support.processes.waiting import wait_until


@dataclass(frozen=True)
class Received:
    """A span as it came. resource: what sent it.  parent: the id of the span around it, or ""."""

    name: str
    kind: str
    trace_id: str
    span_id: str
    parent: str
    begin_ns: int
    end_ns: int
    failed: bool
    why: str
    attributes: Mapping[str, Any]
    resource: Mapping[str, Any]


class Collector:
    """Context manager: a receiver. spans: all that came so far.  content: the bytes of all requests.

    headers: of the last request, in lower case.
    """

    def __init__(self) -> None:
        collector = self
        self.spans: list[Received] = []
        self.content = b""
        self.headers: Mapping[str, str] = {}

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                collector.take(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.end_headers()
                self.wfile.write(ExportTraceServiceResponse().SerializeToString())

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """Where it receives."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def environ(self) -> Mapping[str, str]:
        """Variables by which the simulator traces to it, soon after a span has ended."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.url, "OTEL_BSP_SCHEDULE_DELAY": "100"}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def take(self, path: str, headers: Mapping[str, str], body: bytes) -> None:
        """Keep what a request has."""
        assert (path, headers["content-type"]) == ("/v1/traces", "application/x-protobuf")
        self.headers = headers
        self.content += body
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            sender = _plain(resource.resource.attributes)
            self.spans += [_received(span, sender) for scope in resource.scope_spans for span in scope.spans]

    def find(self, name: str, **wanted: object) -> Received:
        """Wait for a span whose name begins so, and whose fields are as wanted."""

        def found() -> Received | None:
            fits = (span for span in [*self.spans] if span.name.startswith(name))
            return next((each for each in fits if all(getattr(each, key) == wanted[key] for key in wanted)), None)

        wait_until(found, 15.0, f"a span {name!r} {wanted} among {[span.name for span in self.spans]}")
        span = found()
        assert span is not None
        return span


def _received(span: ProtoSpan, resource: Mapping[str, Any]) -> Received:
    return Received(
        name=span.name,
        kind=ProtoSpan.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        begin_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
        failed=span.status.code == Status.STATUS_CODE_ERROR,
        why=span.status.message,
        attributes=_plain(span.attributes),
        resource=resource,
    )


def _plain(attributes: Any) -> dict[str, Any]:
    return {each.key: _value(each) for each in attributes}


def _value(attribute: KeyValue) -> Any:
    return getattr(attribute.value, str(attribute.value.WhichOneof("value")))
