"""The options of `verify`, and the bounds within which figures must agree."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from cli.arguments import add_machines, amount, some_period
from edge.settings.loader import add_flags, options_of

_OF_THE_PUBLISHER: Final = {"mqtt_session_expiry", "mqtt_clean_start"}
USED_SETTINGS: Final = (options_of("Broker", "Authentication", "TLS") - _OF_THE_PUBLISHER) | {
    "mqtt_topic_prefix",
    "http_host",
    "http_port",
}
"""The settings of the simulator that --from-mqtt depends on."""

_BOUNDS: Final = {
    "availability": "points by which the availability of a machine may be off",
    "performance": "points of performance",
    "quality": "points of quality",
    "oee": "points of OEE",
    "throughput": "percent of the greater throughput",
}


class Limits(NamedTuple):
    """How far each figure may be off: shares in absolute terms, throughput as a share of the greater value."""

    availability: float
    performance: float
    quality: float
    oee: float
    throughput: float


BOUNDS: Final = Limits(0.01, 0.02, 0.01, 0.02, 0.01)
ENERGY_WITHIN: Final = 0.005
"""By what share of the true energy that from messages may be off."""

_USAGE: Final = "%(prog)s [ROWS] [FLAG ...]"
_EXIT_CODES: Final = (
    "Exit codes: 0 messages and ground truth agree; 1 they do not, a machine sends nothing, or with --strict "
    "messages are missing, repeated, out of order or unreadable; 2 an input cannot be read, or is too coarse; "
    "3 too few figures could be compared: the time is too short."
)


@dataclass(frozen=True, slots=True)
class VerifyOptions:
    """The options of `verify`.

    rows: file of messages, `-` for standard input.  from_mqtt: subscribe to `topics` of the broker instead, for
    `duration` seconds.  truth: ground truth file or URL.  machines: pattern of machine ids to compare.  *_within: how
    far figures may be off, in points and percent.  flags: values of settings, as typed.
    """

    rows: str | None = None
    from_mqtt: bool = False
    duration: float | None = None
    topics: str | None = None
    truth: str | None = None
    machines: str = "*"
    strict: bool = False
    availability_within: float = 100 * BOUNDS.availability
    performance_within: float = 100 * BOUNDS.performance
    quality_within: float = 100 * BOUNDS.quality
    oee_within: float = 100 * BOUNDS.oee
    throughput_within: float = 100 * BOUNDS.throughput
    energy_within: float = 100 * ENERGY_WITHIN
    flags: Mapping[str, object] = field(default_factory=dict)

    @property
    def limits(self) -> Limits:
        """The bounds as shares."""
        within = (
            self.availability_within,
            self.performance_within,
            self.quality_within,
            self.oee_within,
            self.throughput_within,
        )
        return Limits(*(bound / 100 for bound in within))


def add_verify(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command, and the simulator's settings for --from-mqtt, to the parser."""
    parser.usage, parser.epilog = _USAGE, _EXIT_CODES
    these = parser.add_argument_group("What to verify")
    these.add_argument(
        "rows", nargs="?", metavar="ROWS", help="file of messages, one a line, may be gzip; - is standard input"
    )
    these.add_argument("--from-mqtt", action="store_true", help="receive messages from the broker instead")
    these.add_argument("--duration", type=some_period, metavar="TIME", help="how long to receive messages")
    these.add_argument("--topics", metavar="FILTER", help="topic filter; default: all below MQTT_TOPIC_PREFIX")
    these.add_argument(
        "--truth",
        metavar="FILE|URL",
        help="ground truth file, or URL of /oee; default with --from-mqtt: /oee at HTTP_PORT",
    )
    add_machines(these)
    these.add_argument(
        "--strict",
        action="store_true",
        help="exit with 1 also if messages are missing, repeated, out of order or unreadable",
    )
    for (name, text), bound in zip(_BOUNDS.items(), BOUNDS, strict=True):
        these.add_argument(
            f"--{name}-within", type=amount, metavar="N", default=100 * bound, help=f"{text} (default %(default)g)"
        )
    these.add_argument(
        "--energy-within",
        type=amount,
        metavar="N",
        default=100 * ENERGY_WITHIN,
        help="percent of the energy of a machine, and of a site (default %(default)g)",
    )
    add_flags(parser, USED_SETTINGS)
