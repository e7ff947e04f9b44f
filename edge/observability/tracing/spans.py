"""Spans, as the rest of the code makes them: without OpenTelemetry, which is imported only where tracing is on.

Where it is off, nothing is recorded and a span costs a call. Whoever acts for somebody else continues the trace of the
one who asked: `with continued(carrier): ...`, where the carrier is what came with a request, such as the headers of
HTTP or the user properties of an MQTT message. Whatever begins a span inside is then a part of that trace.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from enum import StrEnum
from typing import Final, Protocol

Value = str | int | float | bool
Attributes = Mapping[str, Value]
Carrier = Mapping[str, str]
"""A place in a trace as it travels with a request: `traceparent`, and `tracestate` if there is one (W3C Trace Context).

The names are in lower case, in HTTP as in MQTT (W3C Trace Context: MQTT protocol); other entries are ignored.
"""

NOWHERE: Final[Carrier] = {}
MACHINE: Final = "edgemqttsim.machine.id"


class Kind(StrEnum):
    """The role of a span, as OpenTelemetry has it."""

    INTERNAL = "INTERNAL"
    SERVER = "SERVER"
    CLIENT = "CLIENT"
    PRODUCER = "PRODUCER"


class Span(Protocol):
    """Something that is being done."""

    def rename(self, name: str) -> None:
        """Give it another name."""

    def set(self, name: str, value: Value) -> None:
        """Set an attribute. Secrets do not belong there; what looks like a credential is redacted."""

    def fail(self, error_type: str, why: str = "") -> None:
        """Note that it failed. error_type: one of few."""


class OpenSpan(Span, Protocol):
    """Something that ends elsewhere."""

    @property
    def carrier(self) -> Carrier:
        """Its place, for those who continue it."""

    def end(self) -> None:
        """End it now."""


class Tracer(Protocol):
    """Makes spans. An exception that leaves a span is noted in it."""

    def span(self, name: str, attributes: Attributes, kind: Kind) -> AbstractContextManager[Span]:
        """Return a span that is the current one inside, and part of the one around it."""

    def continued(self, carrier: Carrier) -> AbstractContextManager[None]:
        """Make a place in a trace the current one inside; without a valid one, a trace begins there."""

    def carrier(self) -> Carrier:
        """Return the current place, to be continued elsewhere; empty if there is none."""

    def begin(
        self, name: str, attributes: Attributes, kind: Kind, parent: Carrier, start: float | None = None
    ) -> OpenSpan | None:
        """Return a span that ends elsewhere, or None where it is not sampled. start: in Unix seconds; now."""

    def stop(self, seconds: float) -> None:
        """Export what is left, for at most `seconds`."""


class _Nothing:
    """A span that is not recorded."""

    def rename(self, name: str) -> None:
        """Ignore it."""

    def set(self, name: str, value: Value) -> None:
        """Ignore it."""

    def fail(self, error_type: str, why: str = "") -> None:
        """Ignore it."""


class _Off:
    """Traces nothing."""

    _span: Final = nullcontext[Span](_Nothing())
    _continued: Final = nullcontext[None]()

    def span(self, name: str, attributes: Attributes, kind: Kind) -> AbstractContextManager[Span]:  # noqa: ARG002
        """Return one that is not recorded."""
        return self._span

    def continued(self, carrier: Carrier) -> AbstractContextManager[None]:  # noqa: ARG002
        """Continue nothing."""
        return self._continued

    def carrier(self) -> Carrier:
        """Return no place."""
        return NOWHERE

    def begin(
        self,
        name: str,  # noqa: ARG002
        attributes: Attributes,  # noqa: ARG002
        kind: Kind,  # noqa: ARG002
        parent: Carrier,  # noqa: ARG002
        start: float | None = None,  # noqa: ARG002
    ) -> OpenSpan | None:
        """Begin nothing."""
        return None

    def stop(self, seconds: float) -> None:
        """Do nothing."""


class _Active:
    """The tracer of this process; there is one, as there is one log."""

    def __init__(self) -> None:
        self.tracer: Tracer = _Off()


_active = _Active()


def use(tracer: Tracer) -> None:
    """Have everything traced by a tracer from now on."""
    _active.tracer = tracer


def enabled() -> bool:
    """Return whether anything is traced."""
    return not isinstance(_active.tracer, _Off)


def stop(seconds: float) -> None:
    """Export what is left, for at most `seconds`, and trace nothing more."""
    tracer, _active.tracer = _active.tracer, _Off()
    tracer.stop(seconds)


def span(name: str, attributes: Attributes, kind: Kind = Kind.INTERNAL) -> AbstractContextManager[Span]:
    """Return a span, to be used with `with`: what is done, and logged, inside is part of it."""
    return _active.tracer.span(name, attributes, kind)


def continued(carrier: Carrier) -> AbstractContextManager[None]:
    """Continue, inside, the trace of whoever asked; without a valid `traceparent` a trace begins there."""
    return _active.tracer.continued(carrier)


def carrier() -> Carrier:
    """Return the current place in a trace, to be continued elsewhere, such as in a worker."""
    return _active.tracer.carrier()


def begin(
    name: str, attributes: Attributes, kind: Kind, parent: Carrier = NOWHERE, start: float | None = None
) -> OpenSpan | None:
    """Return a span that ends elsewhere, as part of a place in a trace; None where it is not sampled."""
    return _active.tracer.begin(name, attributes, kind, parent, start)
