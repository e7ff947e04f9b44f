"""Prometheus Operator resources: a PodMonitor that scrapes the pods, and a PrometheusRule with alerts.

Each alert says what is wrong and what to do. Thresholds are those of the default plant and its manifest; what they rest
on is said beside them and in docs/dashboards.md. They hold under the labels of each scrape:
the operator's (`namespace`, `pod`), and that of the job which Azure IoT Operations documents (`kubernetes_namespace`).
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from cli.exports.common.export import Export, File
from cli.exports.common.names import metadata
from cli.exports.common.yaml_text import dump

API_VERSION: Final = "monitoring.coreos.com/v1"
SCRAPE_SECONDS: Final = 15
"""Rates over five minutes then rest on twenty samples."""


class Alert(NamedTuple):
    """One alert. expr: PromQL in which $selector stands for the labels of this plant's pods, $namespace for theirs.

    No expr names a label of the target, so that series meet by whichever they have.

    after: for how long that must be so, as Prometheus writes durations; None is at once.
    """

    name: str
    severity: str
    expr: str
    after: str | None
    summary: str
    description: str


_POD: Final = "{{ or $labels.pod $labels.instance }}"
"""The pod's name, or its address where a scrape gives no more."""

ALERTS: Final = (
    Alert(
        "EdgemqttsimAbsent",
        "critical",
        'absent(edgemqttsim_build_info{namespace="$namespace"})\nunless on () edgemqttsim_build_info{$selector}',
        "5m",
        "No pod of edgemqttsim is scraped in {{ $labels.namespace }}.",
        "Nothing has been heard of the simulator for 5 minutes. See whether a pod runs (kubectl get pods), and whether"
        " Prometheus reaches it: the PodMonitor's labels or the pod's annotations, and port 8080 in the NetworkPolicy.",
    ),
    # A rollout or a broker's restart is over within two or three minutes.
    Alert(
        "EdgemqttsimNotReady",
        "critical",
        "edgemqttsim_connected{$selector} == 0",
        "5m",
        _POD + " has had no connection to the broker for 5 minutes.",
        "Messages wait in the queue, and are dropped once it is full. /readyz and the log say why it cannot connect;"
        " `python app.py preflight` in the pod checks name, TLS, token and login one by one.",
    ),
    # Not `== 0`: the counter of acknowledgements is summed over kinds, and a kind may be silent for minutes.
    Alert(
        "EdgemqttsimNothingAcknowledged",
        "critical",
        "sum without (kind) (\n  rate(edgemqttsim_messages_generated_total{$selector}[5m])\n) > 0\n"
        "unless sum without (kind) (\n  rate(edgemqttsim_messages_acknowledged_total{$selector}[5m])\n) > 0\n"
        "unless (edgemqttsim_connected{$selector} == 0)",
        "5m",
        _POD + " is connected, but the broker acknowledges nothing.",
        "The plant speaks and not one message was taken for 5 minutes. Look at the broker's health and its disk buffer,"
        " and at edgemqttsim_messages_refused_total: 0x87 there means that BrokerAuthorization lacks the topics.",
    ),
    # Kubernetes writes a new token at four fifths of its life: of an hour's token that leaves 12 minutes.
    Alert(
        "EdgemqttsimTokenNearExpiry",
        "warning",
        "edgemqttsim_token_expiry_timestamp_seconds{$selector} - time() < 600",
        "1m",
        f"The token of {_POD} expires in {{{{ $value | humanizeDuration }}}}.",
        "A new one should have been there by now; with this one the broker ends the connection as it expires. See"
        " whether the kubelet renews the projected volume (expirationSeconds, at least 3600 for this alert), and the"
        " log for why the new token was not taken.",
    ),
    # The default queue of 1,000 lasts the default plant four minutes: at half of it two are left.
    Alert(
        "EdgemqttsimQueueFilling",
        "warning",
        "edgemqttsim_queue_messages{$selector}\n/ edgemqttsim_queue_size_messages{$selector} > 0.5",
        "1m",
        f"The queue of {_POD} is {{{{ $value | humanizePercentage }}}} full.",
        "The broker takes less than the plant says, or is away. When the queue is full, QUEUE_POLICY decides what is"
        " lost. Raise QUEUE_SIZE for longer outages; else give the broker or the simulator more room (MQTT_WINDOW,"
        " more replicas).",
    ),
    Alert(
        "EdgemqttsimMessagesRefused",
        "warning",
        "increase(edgemqttsim_messages_refused_total{$selector}[10m]) > 0",
        None,
        f"The broker refuses messages of {_POD} with {{{{ $labels.code }}}}.",
        "Refused messages are lost: they are not sent again. 0x87 is Not authorized: compare BrokerAuthorization with"
        " `python app.py export authorization`. 0x90 is a topic, 0x99 a payload that the broker does not take.",
    ),
    # What is left at a shutdown is told in the last block of the log, and no scrape comes after it.
    Alert(
        "EdgemqttsimMessagesDropped",
        "warning",
        "increase(edgemqttsim_messages_dropped_total{$selector}[10m]) > 0",
        None,
        _POD + " drops messages: {{ $labels.reason }}.",
        "oldest and newest: the queue was full, see EdgemqttsimQueueFilling. too_large: the broker's Maximum Packet"
        " Size is smaller than a message. no_topic: no broker would take the topic that the YAML makes.",
    ),
    # A second is what CATCH_UP takes for a stall, and what the log's statistics mention.
    Alert(
        "EdgemqttsimLate",
        "warning",
        "histogram_quantile(0.95,\n  rate(edgemqttsim_lateness_seconds_bucket{$selector}[5m])\n) > 1",
        "5m",
        _POD + " is {{ $value | humanizeDuration }} behind its own clock.",
        "One turn in twenty of the run loop comes more than a second late: the pod needs more CPU than it gets. Raise"
        " the CPU limit, lower the load (base_interval, machine_counts), or deal the plant out to more pods (SHARD).",
    ),
    Alert(
        "EdgemqttsimReconnecting",
        "warning",
        "increase(edgemqttsim_reconnects_total{$selector}[30m]) > 5",
        None,
        _POD + " has lost its connection {{ $value | humanize }} times in half an hour.",
        "The log has the reason of each. 0x8E: another client uses the same client id (MQTT_CLIENT_ID). Keep alive: the"
        " network or the broker stalls. 0x87: token or BrokerAuthentication.",
    ),
    # A container that is started again keeps its pod's name; a rollout gives new ones. Twice may be a node's upgrade.
    Alert(
        "EdgemqttsimRestarting",
        "warning",
        "changes(process_start_time_seconds{$selector}[30m]) > 2\n"
        "and ignoring (version) edgemqttsim_build_info{$selector}",
        None,
        _POD + " has been started again {{ $value | humanize }} times in half an hour.",
        "kubectl logs --previous shows the end of the last run, kubectl describe pod its exit code: 2 is the"
        " configuration, 3 the broker's refusal, 137 with OOMKilled too little memory.",
    ),
    # The old plant stays in force, so nothing else shows it.
    Alert(
        "EdgemqttsimReloadRefused",
        "warning",
        'increase(edgemqttsim_reloads_total{$selector, outcome="refused"}[1h]) > 0',
        None,
        _POD + " refuses the plant's new YAML.",
        "The old plant stays in force. The log names each mistake and its line; `python app.py check FILE` does so"
        " before it is rolled out.",
    ),
)


def prometheus(export: Export) -> list[File]:
    """PodMonitor and PrometheusRule (Prometheus Operator): scraping, and alerts that say what to do."""
    return [
        File("prometheus/podmonitor.yaml", dump(pod_monitor(export, API_VERSION), head=_HEAD)),
        File("prometheus/prometheusrule.yaml", dump(_rule(export), head=_HEAD)),
    ]


_HEAD: Final = "Made by: python app.py export prometheus"


def pod_monitor(export: Export, api_version: str) -> dict[str, Any]:
    """A PodMonitor, which is the same resource in either group of APIs that has one."""
    endpoint = {"port": "http", "path": "/metrics", "interval": f"{SCRAPE_SECONDS}s"}
    pods = {"matchLabels": {"app": export.app}}
    spec = {"selector": pods, "podMetricsEndpoints": [endpoint]}
    return {"apiVersion": api_version, "kind": "PodMonitor", "metadata": metadata(export, export.app), "spec": spec}


def _rule(export: Export) -> dict[str, Any]:
    groups = [{"name": export.app, "rules": [_alert(each, export) for each in ALERTS]}]
    return {
        "apiVersion": API_VERSION,
        "kind": "PrometheusRule",
        "metadata": metadata(export, export.app),
        "spec": {"groups": groups},
    }


def expression(alert: Alert, export: Export) -> str:
    """PromQL over the pods of the export's namespace, whichever of the labels a scrape says it in."""
    over_two_lines = selector(export.namespace).replace(", ", ",\n  ")
    return alert.expr.replace("$selector", over_two_lines).replace("$namespace", export.namespace)


def selector(namespace: str) -> str:
    """Matchers for the series of a namespace: `namespace` and `kubernetes_namespace`, of which a series lacks one."""
    return f'namespace=~"{namespace}|", kubernetes_namespace=~"{namespace}|"'


def _alert(alert: Alert, export: Export) -> dict[str, Any]:
    rule = {
        "alert": alert.name,
        "expr": expression(alert, export),
        "for": alert.after,
        "labels": {"severity": alert.severity},
        "annotations": {"summary": alert.summary, "description": alert.description},
    }
    return {key: value for key, value in rule.items() if value is not None}
