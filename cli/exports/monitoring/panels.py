"""The panels of the Grafana dashboard, with their queries, as a table without Grafana's JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple


class Query(NamedTuple):
    """PromQL, in which `@` is replaced by the label matchers, and the legend of its series."""

    expr: str
    legend: str = ""


class Panel(NamedTuple):
    """A panel.  kind, unit: by Grafana's names.  width: in columns.  greatest: the end of the axis or gauge.

    steps: thresholds with colours, the first below all others.  stacked: series.  names: texts shown instead of values.
    """

    title: str
    description: str
    queries: Sequence[Query]
    kind: str = "timeseries"
    width: int = 8
    unit: str = "short"
    steps: Sequence[tuple[float | None, str]] = ((None, "green"),)
    greatest: float | None = None
    stacked: bool = False
    names: tuple[tuple[str, str], ...] = ()


class Row(NamedTuple):
    """A titled row of panels of the same height, in Grafana's units of about 30 pixels."""

    title: str
    height: int
    panels: Sequence[Panel]


_POD: Final = "{{pod}} {{instance}}"
"""Every scrape has the pod's address, but not every one its name."""
_RATE: Final = "[$__rate_interval]"
_HOUR: Final = "[1h]"
_PLANNED: Final = f"sum by (kind) (rate(edgemqttsim_planned_seconds_total{{@}}{_HOUR}))"
_PRODUCING: Final = f"sum by (kind) (rate(edgemqttsim_producing_seconds_total{{@}}{_HOUR}))"
_IDEAL: Final = f"sum by (kind) (rate(edgemqttsim_ideal_seconds_total{{@}}{_HOUR}))"
_JOBS: Final = f"sum by (kind) (rate(edgemqttsim_jobs_finished_total{{@}}{_HOUR}))"
GOOD: Final = "@GOOD"
"""In a query, replaced by the rate of good jobs by machine type, see `good_jobs`."""


def good_jobs(results: Mapping[tuple[str, ...], Sequence[str]]) -> str:
    """Return the query for the rate of good jobs by machine type. results: good results -> the types that have them."""
    alike = len(results) < 2
    rates = [_good_jobs(good, () if alike else kinds) for good, kinds in results.items()]
    return rates[0] if alike else f"({' or '.join(rates)})"


def _good_jobs(good: Sequence[str], kinds: Sequence[str]) -> str:
    named = {"kind": kinds, "result": good}
    selectors = ", ".join(f'{label}=~"{"|".join(map(re.escape, each))}"' for label, each in named.items() if each)
    return f"sum by (kind) (rate(edgemqttsim_jobs_finished_total{{@, {selectors}}}{_HOUR}))"


def _late(quantile: float) -> str:
    return f"histogram_quantile({quantile}, sum by (le) (rate(edgemqttsim_lateness_seconds_bucket{{@}}{_RATE})))"


_NOW: Final = Row(
    "Now",
    4,
    (
        Panel(
            "Connected",
            "Pods with a connection to the broker, of all.",
            [
                Query("sum(edgemqttsim_connected{@})", "connected"),
                Query("count(edgemqttsim_connected{@})", "pods"),
            ],
            "stat",
            4,
        ),
        Panel(
            "Acknowledged",
            "Messages per second that the broker acknowledges.",
            [Query(f"sum(rate(edgemqttsim_messages_acknowledged_total{{@}}{_RATE}))")],
            "stat",
            4,
            "cps",
        ),
        Panel(
            "Queue",
            "How full the fullest queue is.",
            [Query("max(edgemqttsim_queue_messages{@} / edgemqttsim_queue_size_messages{@})")],
            "gauge",
            4,
            "percentunit",
            ((None, "green"), (0.5, "orange"), (0.9, "red")),
            1,
        ),
        Panel(
            "Lost in 24 h",
            "Messages rejected or dropped.",
            [
                Query(
                    "sum(increase(edgemqttsim_messages_refused_total{@}[24h]))"
                    " + sum(increase(edgemqttsim_messages_dropped_total{@}[24h]))"
                )
            ],
            "stat",
            4,
            steps=((None, "green"), (1, "red")),
        ),
        Panel(
            "Token expires in",
            "The token that expires first. Kubernetes refreshes it after four fifths of its lifetime.",
            [Query("min(edgemqttsim_token_expiry_timestamp_seconds{@}) - time()")],
            "stat",
            4,
            "s",
            ((None, "red"), (600, "orange"), (3600, "green")),
        ),
        Panel(
            "Machines",
            "Machines in the plant, over all pods.",
            [Query("sum(edgemqttsim_machines{@})")],
            "stat",
            4,
        ),
    ),
)

_DELIVERY: Final = Row(
    "Delivery",
    8,
    (
        Panel(
            "Messages",
            "Messages that the plant emits and that the broker acknowledges: normally the lines coincide.",
            [
                Query(f"sum(rate(edgemqttsim_messages_generated_total{{@}}{_RATE}))", "generated"),
                Query(f"sum(rate(edgemqttsim_messages_acknowledged_total{{@}}{_RATE}))", "acknowledged"),
            ],
            unit="cps",
        ),
        Panel(
            "Acknowledged, by kind",
            "Messages per second that the broker acknowledges.",
            [Query(f"sum by (kind) (rate(edgemqttsim_messages_acknowledged_total{{@}}{_RATE}))", "{{kind}}")],
            unit="cps",
            stacked=True,
        ),
        Panel(
            "Lost",
            "Rejected by PUBACK reason code, and dropped by reason. These messages are not sent again.",
            [
                Query(f"sum by (code) (rate(edgemqttsim_messages_refused_total{{@}}{_RATE})) > 0", "refused {{code}}"),
                Query(
                    f"sum by (reason) (rate(edgemqttsim_messages_dropped_total{{@}}{_RATE})) > 0", "dropped {{reason}}"
                ),
            ],
            unit="cps",
        ),
        Panel(
            "Queue fill",
            "Messages waiting, as a share of the queue's size.",
            [Query("edgemqttsim_queue_messages{@} / edgemqttsim_queue_size_messages{@}", _POD)],
            unit="percentunit",
            greatest=1,
        ),
        Panel(
            "In flight",
            "Messages sent and not yet acknowledged; at most MQTT_WINDOW, and at most one per machine.",
            [Query("edgemqttsim_in_flight_messages{@}", _POD)],
        ),
        Panel(
            "Lateness",
            "How late the run loop is. Above a second the pod has too little CPU.",
            [Query(_late(quantile), f"p{100 * quantile:.0f}") for quantile in (0.5, 0.95, 0.99)],
            unit="s",
        ),
        Panel(
            "Plant time ahead of the clock",
            "Messages have plant time. It is ahead after the wall clock was set back, until that has caught up.",
            [Query("edgemqttsim_clock_ahead_seconds{@}", _POD)],
            width=12,
            unit="s",
        ),
        Panel(
            "Clock set",
            "How often the wall clock was set or the computer was suspended.",
            [Query(f"increase(edgemqttsim_clock_steps_total{{@}}{_RATE})", _POD)],
            width=12,
        ),
    ),
)

_CONNECTION: Final = Row(
    "Connection",
    8,
    (
        Panel(
            "Connected",
            "Each pod's connection to the broker.",
            [Query("edgemqttsim_connected{@}", _POD)],
            "state-timeline",
            steps=((None, "red"), (1, "green")),
            names=(("0", "away"), ("1", "connected")),
        ),
        Panel(
            "Since the last acknowledgement",
            "Grows while the broker does not answer, and between the messages of a small plant.",
            [Query("edgemqttsim_last_acknowledgement_age_seconds{@}", _POD)],
            unit="s",
        ),
        Panel(
            "Token's time left",
            "Falls to a fifth of the token's lifetime, and rises when Kubernetes refreshes it.",
            [Query("edgemqttsim_token_expiry_timestamp_seconds{@} - time()", _POD)],
            unit="s",
        ),
        Panel(
            "Reconnects and token renewals",
            "A token is refreshed on the open connection and interrupts nothing.",
            [
                Query(f"sum(increase(edgemqttsim_reconnects_total{{@}}{_RATE}))", "reconnects"),
                Query(f"sum(increase(edgemqttsim_token_renewals_total{{@}}{_RATE}))", "token renewals"),
            ],
        ),
        Panel(
            "Reloads and commands",
            "Files applied and rejected, commands by way and outcome. After a rejection the previous plant stays.",
            [
                Query(f"sum by (outcome) (increase(edgemqttsim_reloads_total{{@}}{_RATE}))", "reload {{outcome}}"),
                Query(f"sum by (by, outcome) (increase(edgemqttsim_commands_total{{@}}{_RATE}))", "{{by}} {{outcome}}"),
            ],
        ),
        Panel(
            "Memory and CPU",
            "Of each pod's main process: resident memory and cores in use, without workers.",
            [
                Query("process_resident_memory_bytes{@} / 1048576", f"{_POD} MiB"),
                Query(f"rate(process_cpu_seconds_total{{@}}{_RATE})", f"{_POD} cores"),
            ],
        ),
    ),
)

_PLANT: Final = Row(
    "Plant",
    8,
    (
        Panel(
            "OEE, by type",
            "Of the last hour, from the ground truth (ISO 22400-2): what messages should show.",
            [Query(f"{_IDEAL} / {_PLANNED} * {GOOD} / {_JOBS}", "{{kind}}")],
            unit="percentunit",
            greatest=1,
        ),
        Panel(
            "Availability, by type",
            "Producing time / planned time, over the last hour.",
            [Query(f"{_PRODUCING} / {_PLANNED}", "{{kind}}")],
            unit="percentunit",
            greatest=1,
        ),
        Panel(
            "Performance and quality, by type",
            "Ideal time of the work done / producing time; good jobs / finished jobs; over the last hour.",
            [
                Query(f"{_IDEAL} / {_PRODUCING}", "{{kind}} performance"),
                Query(f"{GOOD} / {_JOBS}", "{{kind}} quality"),
            ],
            unit="percentunit",
        ),
        Panel(
            "Machines, by state",
            "How many machines are now in each state.",
            [Query("sum by (state) (edgemqttsim_machines{@})", "{{state}}")],
            stacked=True,
        ),
        Panel(
            "Jobs per hour, by result",
            "Parts, assemblies and tests that messages have reported.",
            [Query(f"sum by (result) (rate(edgemqttsim_jobs_finished_total{{@}}{_RATE})) * 3600", "{{result}}")],
            stacked=True,
        ),
        Panel(
            "Open orders",
            "Placed and not yet dispatched. Every shard has all orders, so this is not summed.",
            [Query("max(edgemqttsim_open_orders{@})", "open")],
        ),
    ),
)

FAULTS: Final = Row(
    "Faults",
    8,
    (
        Panel(
            "Active faults",
            "Faults of machines and of sensors that are there now, as the simulator knows them.",
            [Query("sum by (kind, fault) (edgemqttsim_active_faults{@})", "{{kind}} {{fault}}")],
            stacked=True,
            width=12,
        ),
        Panel(
            "Faults per hour",
            "Faults that have ended.",
            [
                Query(
                    f"sum by (kind, fault) (rate(edgemqttsim_fault_episodes_total{{@}}{_RATE})) * 3600",
                    "{{kind}} {{fault}}",
                )
            ],
            width=12,
        ),
    ),
)

ALARMS: Final = Row(
    "Alarms",
    8,
    (
        Panel(
            "Active alarms, by severity",
            "Alarms of signals that are raised and not yet cleared.",
            [Query("sum by (severity) (edgemqttsim_active_alarms{@})", "{{severity}}")],
            stacked=True,
            width=12,
        ),
        Panel(
            "Alarms per hour",
            "Alarms of signals that are raised.",
            [
                Query(
                    f'sum by (kind, alarm) (rate(edgemqttsim_alarm_events_total{{@, event="raised"}}{_RATE})) * 3600',
                    "{{kind}} {{alarm}}",
                )
            ],
            width=12,
        ),
    ),
)

ROWS: Final = (_NOW, _DELIVERY, _CONNECTION, _PLANT)
"""Those of every plant; ALARMS and FAULTS come after them where there are some."""
