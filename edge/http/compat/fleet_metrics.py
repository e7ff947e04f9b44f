"""The metrics of a simulator of sensors, by the names that it has for them: a series for each device.

They are written by hand: the library takes a tenth of a second for ten thousand devices, in which no message is sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from edge.http.shared_work import in_turns

_SENT: Final = "Messages that the broker has acknowledged; at QoS 0, that were sent."
_DEVICES_A_TURN: Final = 2000
_OPEN_METRICS: Final = "application/openmetrics-text"
_END: Final = b"# EOF\n"


@dataclass(frozen=True, slots=True)
class FleetFigures:
    """What the metrics show.

    sent: messages by device.  running: devices now.  began: when the counts began, in Unix seconds, if that is known.
    """

    sent: Mapping[str, int]
    running: int
    began: float | None


async def with_fleet(page: bytes, content_type: str, figures: FleetFigures) -> bytes:
    """Return a page of metrics with those of the fleet. page: others, in the format that the content type names."""
    is_open = content_type.startswith(_OPEN_METRICS)
    pieces = [page.removesuffix(_END) if is_open else page]
    pieces += [piece async for piece in in_turns(_open(figures) if is_open else _classic(figures))]
    pieces.append(_head("running_devices", "Devices that run.", "gauge"))
    pieces.append(f"running_devices {figures.running}.0\n".encode())
    return b"".join((*pieces, _END if is_open else b""))


def _classic(figures: FleetFigures) -> Iterator[bytes]:
    """Yield the counts in Prometheus' own format, some thousand lines at a time."""
    yield _head("mqtt_sent_total", _SENT, "counter")
    for some in _some(figures.sent):
        yield "".join(_sent(name, sent) for name, sent in some).encode()
    if figures.began is not None:
        yield _head("mqtt_sent_created", _SENT, "gauge")
        for some in _some(figures.sent):
            yield "".join(_created(name, figures.began) for name, _ in some).encode()


def _open(figures: FleetFigures) -> Iterator[bytes]:
    """Yield the counts in OpenMetrics, in which all samples of a device follow each other."""
    yield _head("mqtt_sent", _SENT, "counter")
    for some in _some(figures.sent):
        yield "".join(_sent(name, sent) + _created(name, figures.began) for name, sent in some).encode()


def _sent(name: str, sent: int) -> str:
    return f'mqtt_sent_total{{device_id="{_escaped(name)}"}} {sent}.0\n'


def _created(name: str, began: float | None) -> str:
    return "" if began is None else f'mqtt_sent_created{{device_id="{_escaped(name)}"}} {began}\n'


def _some(sent: Mapping[str, int]) -> Iterator[Sequence[tuple[str, int]]]:
    rest = iter([*sent.items()])
    while some := [*islice(rest, _DEVICES_A_TURN)]:
        yield some


def _head(name: str, text: str, kind: str) -> bytes:
    return f"# HELP {name} {text}\n# TYPE {name} {kind}\n".encode()


def _escaped(name: str) -> str:
    return name.replace("\\", r"\\").replace('"', r"\"")
