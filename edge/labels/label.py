"""An episode of a fault as a label: the form that the ground truth file and HTTP have."""

from __future__ import annotations

from edge.timestamps import rfc3339
from plant.truth.events import FaultEpisode


def label(episode: FaultEpisode) -> dict[str, object]:
    """Return an episode of a fault as labels have it."""
    found: dict[str, object] = {
        "machine_id": episode.machine_id,
        "fault": episode.fault,
        "from": rfc3339(episode.from_ms),
        "to": rfc3339(episode.to_ms),
        "severity": episode.severity,
        "ramp_seconds": episode.ramp_ms / 1000,
        "cause": episode.why,
        "effects": episode.effects,
    }
    if episode.signal is not None:
        found["signal"] = episode.signal
    return {**found, "open": True} if episode.is_open else found
