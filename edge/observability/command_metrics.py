"""The metrics of commands: by the way that they came, and by outcome."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from edge.status import CommandStatus

_FROM_THE_START: Final = {("http", "executed"): 0, ("http", "refused"): 0}
_MQTT: Final = "mqtt"


def of_commands(noted: Mapping[tuple[str, str], int], over_mqtt: CommandStatus | None) -> Iterator[Metric]:
    """Yield the metrics. noted: counts of all ways but MQTT, which has its own; None where that is off."""
    counts = _FROM_THE_START | {way: count for way, count in noted.items() if way[0] != _MQTT and count}
    if over_mqtt is not None:
        counts |= {(_MQTT, outcome): count for outcome, count in over_mqtt.counts.items()}
    commands = CounterMetricFamily(
        "edgemqttsim_commands", "Commands, by the way that they came and by outcome.", labels=["by", "outcome"]
    )
    for labels, count in counts.items():
        commands.add_metric(labels, count)
    yield commands
    if over_mqtt is not None:
        yield from _over_mqtt(over_mqtt)


def _over_mqtt(status: CommandStatus) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "edgemqttsim_commands_subscribed",
        "1 while the broker sends us commands over MQTT.",
        float(status.subscribed),
    )
    answers = CounterMetricFamily(
        "edgemqttsim_command_answers", "Answers to commands over MQTT, by outcome.", labels=["outcome"]
    )
    for outcome, count in status.answers.items():
        answers.add_metric([outcome], count)
    yield answers
