"""What the page needs of the process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf

from edge.control.journal import Journal
from edge.settings.options import Options
from edge.settings.types import Connections
from edge.status import PlantFileStatus
from edge.status_source import StatusSource

Wire = Mapping[str, object]
"""What was seen on the wire by the embedded broker, as plain data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageContext:
    """What the page needs of the process.

    options: those in force.  plant_file: returns how the plant's file is.
    start_ms: when the run began, in plant time.  speed: of plant time, inf for as fast as it can.
    uptime_seconds: how long the process has run.  wall_clock: Unix seconds.  clock: seconds, monotonic.
    is_dry_run: messages go to standard output, and there is no broker.
    patience_seconds: as for /livez.  wire: what was seen on the wire; None where nobody looks.
    """

    source: StatusSource
    journal: Journal
    options: Options
    plant_file: Callable[[], PlantFileStatus]
    version: str
    start_ms: int
    uptime_seconds: Callable[[], float]
    wall_clock: Callable[[], float]
    clock: Callable[[], float]
    patience_seconds: float
    speed: float = 1.0
    is_dry_run: bool = False
    wire: Callable[[], Wire] | None = None

    def asked(self, per_second: float) -> float | None:
        """Return the messages a second that this part of the plant emits; None where there is no such rate.

        per_second: those of the whole plant, in plant time.
        """
        _, parts = self.options.part
        return round(per_second * self.speed / parts, 3) if self.speed < inf else None

    def process(self) -> dict[str, object]:
        """Return what stays as it is while the process runs."""
        options = self.options
        return {
            "version": self.version,
            "seed": str(self.source.seed),
            "shard": None if options.shard == "1/1" else options.shard,
            "workers": options.workers,
            "speed": self.speed if self.speed < inf else None,
            "dry_run": self.is_dry_run,
            "changes": "local" if options.http_token_file is None else "token",
        }

    def broker(self) -> dict[str, object]:
        """Return how the broker is reached; no name of a user, no file and no secret."""
        options = self.options
        return {
            "host": options.mqtt_broker,
            "port": options.mqtt_port,
            "tls": options.mqtt_tls,
            "auth": str(options.mqtt_auth_method),
            "version": str(options.mqtt_version),
            "connections": "per_machine" if options.mqtt_connections is Connections.PER_MACHINE else "shared",
        }
