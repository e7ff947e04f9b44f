"""What the OTEL_* variables ask for: whether to trace, and by which protocol. The SDK reads the others itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Final
from urllib.parse import unquote

from edge.installed import why_lacking
from edge.observability.tracing import spans
from edge.redaction import protect

PACKAGES: Final = {
    "opentelemetry.sdk": "opentelemetry-sdk",
    "opentelemetry.exporter.otlp.proto.http": "opentelemetry-exporter-otlp-proto-http",
}
"""Modules that tracing imports -> their packages in requirements-otel.txt."""

_ENDPOINTS: Final = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"
_PROTOCOLS: Final = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"
_HEADERS: Final = "OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"
_SHORTEST_SECRET: Final = 8
"""Characters; shorter words of headers and addresses are no secrets, and would hide all reasons of a failed export."""
_BATCHES: Final = {
    "OTEL_BSP_SCHEDULE_DELAY": 5000,
    "OTEL_BSP_MAX_QUEUE_SIZE": 2048,
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": 512,
}
"""Variables whose values the SDK refuses -> its defaults."""
_EXPORTERS: Final = frozenset({"", "otlp"})
_PROTOCOL: Final = "http/protobuf"
_LAST_SECONDS: Final = 2.0
_OFF: Final = "OTEL_SDK_DISABLED=true turns tracing off"


class TracingUnavailable(Exception):
    """The variables ask for what cannot be; the text says what, and how to have it."""


@dataclass(frozen=True, slots=True)
class Tracing:
    """Tracing that was asked for. version: of the simulator.  variable: which one asks.  clock: seconds, monotonic.

    endpoint: where traces go, with the path; None where the SDK makes it of OTEL_EXPORTER_OTLP_ENDPOINT.
    service_name: None where the SDK knows it, or it is ours.
    """

    version: str
    variable: str
    clock: Callable[[], float]
    endpoint: str | None = None
    service_name: str | None = None

    def start(self, instance: str) -> None:
        """Trace from now on. instance: the id of this part of the service.

        A thread exports, so this comes after a fork.
        """
        from edge.observability.tracing.opentelemetry_tracer import make_tracer  # noqa: PLC0415 - only where it is on

        spans.use(make_tracer(self.version, instance, self.clock, self.endpoint, self.service_name))


def stop_tracing() -> None:
    """Export what is left, for at most two seconds, and trace nothing more."""
    spans.stop(_LAST_SECONDS)


def tracing_of(environ: Mapping[str, str], version: str, clock: Callable[[], float]) -> Tracing | None:
    """Return the tracing that the variables ask for, if they do; raises TracingUnavailable."""
    demanded_by = next((name for name in _ENDPOINTS if _value(environ, name)), None)
    exporter = _value(environ, "OTEL_TRACES_EXPORTER").lower()
    if demanded_by is None or exporter == "none" or _value(environ, "OTEL_SDK_DISABLED").lower() == "true":
        return None
    if exporter not in _EXPORTERS:
        raise TracingUnavailable(f"OTEL_TRACES_EXPORTER: must be otlp or none, not {exporter!r:.100}; {_OFF}")
    for name in _PROTOCOLS:
        if protocol := _value(environ, name):
            _check_protocol(name, protocol)
            break
    if lacking := why_lacking(PACKAGES, "requirements-otel.txt"):
        image = "; an image has them if it was built with --build-arg OTEL=true"
        raise TracingUnavailable(f"{demanded_by}: tracing {lacking}{image}; {_OFF}")
    _check_batches(environ)
    _check_limits()
    for secret in _secrets(environ):
        protect(secret.encode(), for_good=True)
    endpoint, name = _value(environ, _ENDPOINTS[0]), _value(environ, "OTEL_SERVICE_NAME")
    return Tracing(version, demanded_by, clock, endpoint or None, name or None)


def _check_protocol(name: str, protocol: str) -> None:
    if protocol != _PROTOCOL:
        port = "; a collector's port for that is usually 4318"
        raise TracingUnavailable(f"{name}: must be {_PROTOCOL}, not {protocol!r:.100}{port}; {_OFF}")


def _check_batches(environ: Mapping[str, str]) -> None:
    """Raise TracingUnavailable for numbers that no queue of spans can have."""
    sizes = {name: _number(environ, name, default) for name, default in _BATCHES.items()}
    for name, size in sizes.items():
        if size <= 0:
            raise TracingUnavailable(f"{name}: must be a whole number above 0, not {size}; {_OFF}")
    _, queue, batch = _BATCHES
    if sizes[batch] > sizes[queue]:
        rule = f"must be at most {queue}, which is {sizes[queue]}, not {sizes[batch]}"
        raise TracingUnavailable(f"{batch}: {rule}; {_OFF}")


def _number(environ: Mapping[str, str], name: str, default: int) -> int:
    """Return the number of a variable; where it is none, the SDK warns and takes its default."""
    try:
        return int(environ.get(name, default))
    except ValueError:
        return default


def _check_limits() -> None:
    """Raise TracingUnavailable where a limit of spans is wrong: the SDK reads these when it is imported."""
    try:
        import_module("opentelemetry.sdk.trace")
    except ValueError as error:
        raise TracingUnavailable(f"{error}; {_OFF}") from None


def _secrets(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield what no line may repeat: words of the headers' values, and password and query of the addresses.

    Errors of the SDK and of what it sends with quote them.
    """
    for name in _HEADERS:
        for header in unquote(_value(environ, name)).split(","):
            yield from _long((header.partition("=")[2] or header).split())
    for name in _ENDPOINTS:
        before, _, query = _value(environ, name).partition("?")
        login = before.partition("://")[2].rpartition("@")[0]
        yield from _long([login.partition(":")[2], *query.replace("&", "=").split("=")])


def _long(words: list[str]) -> Iterator[str]:
    return (word for word in words if len(word) >= _SHORTEST_SECRET)


def _value(environ: Mapping[str, str], name: str) -> str:
    return environ.get(name, "").strip()
