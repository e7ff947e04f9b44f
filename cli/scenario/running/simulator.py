"""The simulator that a scenario runs, and looks at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cli.scenario.judging.looks import Condition, Sample
from edge.observability.metrics import make_registry
from edge.runtime.simulator import VERSION, Simulator
from edge.status import ReloadStatus
from plant.oee_accounting import Span
from plant.telemetry import KindOee, MachineOee, Message, Snapshot


class ScenarioSimulator(Simulator):
    """A simulator whose figures are those of the plant time that has been reached, not of the last refresh."""

    def snapshot(self) -> Snapshot:
        """Return the plant's counts."""
        return self._plant.snapshot()

    def oee_by_kind(self) -> Sequence[KindOee]:
        """Return the OEE sums of each machine type."""
        return self._plant.oee_by_kind()

    @property
    def now(self) -> float:
        """The plant time that has been reached, in seconds since 1970."""
        return self._plant.now

    def condition(self, machine_id: str) -> Condition | None:
        """Return the condition of a machine; None where there is none."""
        view = self._plant.views().view(machine_id)
        machine_type = self._plant.config.machine_type(view.kind) if view is not None else None
        if view is None or machine_type is None:
            return None
        causes = [each.name for each in view.causes]
        return Condition(machine_type.of(view.number), view.state, causes, view.alarms)

    def oee_of_machines(self, span: Span) -> Sequence[MachineOee]:
        """Return the true figures of each machine."""
        return self._plant.oee(span)

    def oee_of_kinds(self, span: Span) -> Sequence[KindOee]:
        """Return those of each machine type."""
        return self._plant.oee_by_kind(span)

    def samples(self) -> Iterable[Sample]:
        """Return the samples of all metrics."""
        size = self._settings.queue_size
        registry = make_registry(self, ReloadStatus, queue_size=size, version=VERSION)
        for metric in registry.collect():
            yield from ((each.name, each.labels, each.value) for each in metric.samples)

    def topic(self, message: Message) -> str:
        """Return the topic of a message; raises TopicError."""
        return self._output.topic(message)

    async def delivered(self, seconds: float) -> bool:
        """Wait up to `seconds` until all messages are delivered; return whether they are."""
        return await self._output.sink.drain(seconds)
