"""Facts about the metrics of commands: by the way that they came, and by outcome."""

from __future__ import annotations

from collections import Counter

from edge.control.journal import Journal
from edge.observability.command_metrics import of_commands
from edge.status import CommandStatus


def samples(noted: Counter[tuple[str, str]], over_mqtt: CommandStatus | None) -> dict[tuple[str, ...], float]:
    """The value of each sample by its name and labels, without those of creation times."""
    found = (sample for family in of_commands(noted, over_mqtt) for sample in family.samples)
    return {(each.name, *each.labels.values()): each.value for each in found}


def test_without_mqtt_there_are_only_those_over_http_from_the_start() -> None:
    """A rate over a series that appears with its first event would miss that event."""
    name = "edgemqttsim_commands_total"

    assert samples(Counter(), None) == {(name, "http", "executed"): 0, (name, "http", "refused"): 0}


def test_the_journal_counts_by_way_and_outcome_and_no_reloads() -> None:
    """Those over MQTT are counted where they come in, with more outcomes, and not twice."""
    journal = Journal(lambda: 0.0)
    journal.executed({"command": "stop"}, "http 10.0.0.7", 0, {})
    journal.executed({"command": "stop"}, "mqtt hmi", 0, {})
    journal.executed({"command": "reload", "content": ""}, "SIGHUP", 0)
    journal.refused({"command": "stop"}, "http 10.0.0.8", "no")
    status = CommandStatus("t", True, None, {"executed": 5, "retained": 2}, {"dropped": 1})
    name, found = "edgemqttsim_commands_total", samples(journal.counts, status)

    assert found == {
        (name, "http", "executed"): 1,
        (name, "http", "refused"): 1,
        (name, "mqtt", "executed"): 5,
        (name, "mqtt", "retained"): 2,
        ("edgemqttsim_commands_subscribed",): 1,
        ("edgemqttsim_command_answers_total", "dropped"): 1,
    }
