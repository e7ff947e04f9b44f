"""Where the machines are over time, by which messages are found that do not name theirs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from cli.verify.input.timeline import MachineParameters, Timeline


class Places:
    """The types and stations of all machines over time."""

    def __init__(self, timelines: Mapping[str, Timeline]) -> None:
        self._timelines = timelines
        self._machines: defaultdict[tuple[str, str | None], dict[str, None]] = defaultdict(dict)
        for machine_id, timeline in timelines.items():
            for each in timeline:
                self._machines[each.kind, each.station][machine_id] = None

    def kind_of(self, machine_id: str, time_ms: float) -> str | None:
        """Return the type of a machine at a moment, or the last that it had; None if there is no such machine."""
        timeline = self._timelines.get(machine_id)
        if timeline is None:
            return None
        return (timeline.at(time_ms) or timeline.last).kind

    def machine_at(self, place: tuple[str, str | None], time_ms: float) -> str | None:
        """Return the only machine of a type at a station at a moment; None if there is none, or more than one."""
        machines = self._machines.get(place, {})
        here = (each for each in machines if len(machines) == 1 or self._is_at(each, place, time_ms))
        first, second = next(here, None), next(here, None)
        return first if second is None else None

    def is_alone(self, machine_id: str, parameters: MachineParameters) -> bool:
        """Return whether there is no other machine of the type at the station of a machine, while it has parameters."""
        others = (each for each in self._machines[parameters.kind, parameters.station] if each != machine_id)
        return not any(self._meets(each, parameters) for each in others)

    def _meets(self, machine_id: str, parameters: MachineParameters) -> bool:
        return any(
            (each.kind, each.station) == (parameters.kind, parameters.station)
            and each.since_ms < parameters.until_ms
            and parameters.since_ms < each.until_ms
            for each in self._timelines[machine_id]
        )

    def _is_at(self, machine_id: str, place: tuple[str, str | None], time_ms: float) -> bool:
        parameters = self._timelines[machine_id].at(time_ms)
        return parameters is not None and (parameters.kind, parameters.station) == place
