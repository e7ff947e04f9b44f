"""Prometheus Operator resources: a PodMonitor that scrapes the pods, and a PrometheusRule with alerts.

Each alert says what is wrong and what to do. Thresholds are those of the default plant and its manifest; what they rest
on is said beside them and in docs/dashboards.md. Labels `namespace` and `pod` are those that the operator adds.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from edge.exports.export import Export, File
from edge.exports.names import metadata
from edge.exports.yamltext import dump

API_VERSION: Final = "monitoring.coreos.com/v1"
SCRAPE_SECONDS: Final = 15
"""Rates over five minutes then rest on twenty samples."""


class Alert(NamedTuple):
    """One alert. expr: PromQL in which $selector stands for the labels of this plant's pods.

    after: for how long that must be so, as Prometheus writes durations; None is at once.
    """

    name: str
    severity: str
    expr: str
    after: str | None
    summary: str
    description: str


_BY_POD: Final = "sum by (namespace, pod)"

ALERTS: Final = (
    Alert(
        "EdgemqttsimAbsent",
        "critical",
        "absent(edgemqttsim_build_info{$selector})",
        "5m",
        "No pod of edgemqttsim is scraped in {{ $labels.namespace }}.",
        "Nothing has been heard of the simulator for 5 minutes. See whether a pod runs (kubectl get pods), and whether"
        " Prometheus reaches it: the PodMonitor's labels, and port 8080 in the NetworkPolicy.",
    ),
    # A rollout or a broker's restart is over within two or three minutes.
    Alert(
        "EdgemqttsimNotReady",
        "critical",
        "edgemqttsim_connected{$selector} == 0",
        "5m",
        "{{ $labels.pod }} has had no connection to the broker for 5 minutes.",
        "Messages wait in the queue, and are dropped once it is full. /readyz and the log say why it cannot connect;"
        " `python app.py preflight` in the pod checks name, TLS, token and login one by one.",
    ),
    # Not `== 0`: the counter of acknowledgements is summed over kinds, and a kind may be silent for minutes.
    Alert(
        "EdgemqttsimNothingAcknowledged",
        "critical",
        f"{_BY_POD} (\n  rate(edgemqttsim_messages_generated_total{{$selector}}[5m])\n) > 0\n"
        f"unless {_BY_POD} (\n  rate(edgemqttsim_messages_acknowledged_total{{$selector}}[5m])\n) > 0\n"
        "unless on (namespace, pod) (edgemqttsim_connected{$selector} == 0)",
        "5m",
        "{{ $labels.pod }} is connected, but the broker acknowledges nothing.",
        "The plant speaks and not one message was taken for 5 minutes. Look at the broker's health and its disk buffer,"
        " and at edgemqttsim_messages_refused_total: 0x87 there means that BrokerAuthorization lacks the topics.",
    ),
    # Kubernetes writes a new token at four fifths of its life: of an hour's token that leaves 12 minutes.
    Alert(
        "EdgemqttsimTokenNearExpiry",
        "warning",
        "edgemqttsim_token_expiry_timestamp_seconds{$selector} - time() < 600",
        "1m",
        "The token of {{ $labels.pod }} expires in {{ $value | humanizeDuration }}.",
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
        "The queue of {{ $labels.pod }} is {{ $value | humanizePercentage }} full.",
        "The broker takes less than the plant says, or is away. When the queue is full, QUEUE_POLICY decides what is"
        " lost. Raise QUEUE_SIZE for longer outages; else give the broker or the simulator more room (MQTT_WINDOW,"
        " more replicas).",
    ),
    Alert(
        "EdgemqttsimMessagesRefused",
        "warning",
        "sum by (namespace, pod, code) (\n  increase(edgemqttsim_messages_refused_total{$selector}[10m])\n) > 0",
        None,
        "The broker refuses messages of {{ $labels.pod }} with {{ $labels.code }}.",
        "Refused messages are lost: they are not sent again. 0x87 is Not authorized: compare BrokerAuthorization with"
        " `python app.py export authorization`. 0x90 is a topic, 0x99 a payload that the broker does not take.",
    ),
    # What is left at a shutdown is told in the last block of the log, and no scrape comes after it.
    Alert(
        "EdgemqttsimMessagesDropped",
        "warning",
        "sum by (namespace, pod, reason) (\n  increase(edgemqttsim_messages_dropped_total{$selector}[10m])\n) > 0",
        None,
        "{{ $labels.pod }} drops messages: {{ $labels.reason }}.",
        "oldest and newest: the queue was full, see EdgemqttsimQueueFilling. too_large: the broker's Maximum Packet"
        " Size is smaller than a message. no_topic: no broker would take the topic that the YAML makes.",
    ),
    # A second is what CATCH_UP takes for a stall, and what the log's statistics mention.
    Alert(
        "EdgemqttsimLate",
        "warning",
        "histogram_quantile(0.95, sum by (namespace, pod, le) (\n"
        "  rate(edgemqttsim_lateness_seconds_bucket{$selector}[5m])\n)) > 1",
        "5m",
        "{{ $labels.pod }} is {{ $value | humanizeDuration }} behind its own clock.",
        "One turn in twenty of the run loop comes more than a second late: the pod needs more CPU than it gets. Raise"
        " the CPU limit, lower the load (base_interval, machine_counts), or deal the plant out to more pods (SHARD).",
    ),
    Alert(
        "EdgemqttsimReconnecting",
        "warning",
        "increase(edgemqttsim_reconnects_total{$selector}[30m]) > 5",
        None,
        "{{ $labels.pod }} has lost its connection {{ $value | humanize }} times in half an hour.",
        "The log has the reason of each. 0x8E: another client uses the same client id (MQTT_CLIENT_ID). Keep alive: the"
        " network or the broker stalls. 0x87: token or BrokerAuthentication.",
    ),
    # A container that is started again keeps its pod's name; a rollout gives new ones. Twice may be a node's upgrade.
    Alert(
        "EdgemqttsimRestarting",
        "warning",
        "changes(process_start_time_seconds{$selector}[30m]) > 2\n"
        "and on (namespace, pod) edgemqttsim_build_info{$selector}",
        None,
        "{{ $labels.pod }} has been started again {{ $value | humanize }} times in half an hour.",
        "kubectl logs --previous shows the end of the last run, kubectl describe pod its exit code: 2 is the"
        " configuration, 3 the broker's refusal, 137 with OOMKilled too little memory.",
    ),
    # The old plant stays in force, so nothing else shows it.
    Alert(
        "EdgemqttsimReloadRefused",
        "warning",
        'increase(edgemqttsim_reloads_total{$selector, outcome="refused"}[1h]) > 0',
        None,
        "{{ $labels.pod }} refuses the plant's new YAML.",
        "The old plant stays in force. The log names each mistake and its line; `python app.py check FILE` does so"
        " before it is rolled out.",
    ),
)


def prometheus(export: Export) -> list[File]:
    """PodMonitor and PrometheusRule (Prometheus Operator): scraping, and alerts that say what to do."""
    return [
        File("prometheus/podmonitor.yaml", dump(_pod_monitor(export), head=_HEAD)),
        File("prometheus/prometheusrule.yaml", dump(_rule(export), head=_HEAD)),
    ]


_HEAD: Final = "Made by: python app.py export prometheus"


def _pod_monitor(export: Export) -> dict[str, Any]:
    endpoint = {"port": "http", "path": "/metrics", "interval": f"{SCRAPE_SECONDS}s"}
    selector = {"matchLabels": {"app": export.app}}
    spec = {"selector": selector, "podMetricsEndpoints": [endpoint]}
    return {"apiVersion": API_VERSION, "kind": "PodMonitor", "metadata": metadata(export, export.app), "spec": spec}


def _rule(export: Export) -> dict[str, Any]:
    groups = [{"name": export.app, "rules": [_alert(each, export) for each in ALERTS]}]
    return {
        "apiVersion": API_VERSION,
        "kind": "PrometheusRule",
        "metadata": metadata(export, export.app),
        "spec": {"groups": groups},
    }


def _alert(alert: Alert, export: Export) -> dict[str, Any]:
    rule = {
        "alert": alert.name,
        "expr": alert.expr.replace("$selector", f'namespace="{export.namespace}"'),
        "for": alert.after,
        "labels": {"severity": alert.severity},
        "annotations": {"summary": alert.summary, "description": alert.description},
    }
    return {key: value for key, value in rule.items() if value is not None}
