"""What the OTEL_* variables ask for: whether to trace, and by which protocol. The SDK reads the others itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from edge.installed import why_lacking
from edge.observability.tracing import spans

PACKAGES: Final = {
    "opentelemetry.sdk": "opentelemetry-sdk",
    "opentelemetry.exporter.otlp.proto.http": "opentelemetry-exporter-otlp-proto-http",
}
"""Modules that tracing imports -> their packages in requirements-otel.txt."""

_ENDPOINTS: Final = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"
_PROTOCOLS: Final = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"
_EXPORTERS: Final = frozenset({"", "otlp"})
_PROTOCOL: Final = "http/protobuf"
_LAST_SECONDS: Final = 2.0
_OFF: Final = "OTEL_SDK_DISABLED=true turns tracing off"


class TracingUnavailable(Exception):
    """The variables ask for what cannot be; the text says what, and how to have it."""


@dataclass(frozen=True, slots=True)
class Tracing:
    """Tracing that was asked for. version: of the simulator.  variable: which one asks.  clock: seconds, monotonic."""

    version: str
    variable: str
    clock: Callable[[], float]

    def start(self, instance: str) -> None:
        """Trace from now on. instance: the id of this part of the service.

        A thread exports, so this comes after a fork.
        """
        from edge.observability.tracing.opentelemetry_tracer import make_tracer  # noqa: PLC0415 - only where it is on

        spans.use(make_tracer(self.version, instance, self.clock))


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
    return Tracing(version, demanded_by, clock)


def _check_protocol(name: str, protocol: str) -> None:
    if protocol != _PROTOCOL:
        port = "; a collector's port for that is usually 4318"
        raise TracingUnavailable(f"{name}: must be {_PROTOCOL}, not {protocol!r:.100}{port}; {_OFF}")


def _value(environ: Mapping[str, str], name: str) -> str:
    return environ.get(name, "").strip()
