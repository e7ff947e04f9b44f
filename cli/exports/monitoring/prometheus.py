"""Prometheus Operator resources: a PodMonitor that scrapes the pods, and a PrometheusRule with alerts.

Each alert has a cause and a remedy. Thresholds suit the default plant and its manifest; the reasons are beside them
and in docs/dashboards.md. They work with the labels of each scrape: the operator's (`namespace`, `pod`), and that of
the job in the documentation of Azure IoT Operations (`kubernetes_namespace`).
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from cli.exports.common.export import Export, File
from cli.exports.common.names import metadata
from cli.exports.common.yaml_text import dump

API_VERSION: Final = "monitoring.coreos.com/v1"
SCRAPE_SECONDS: Final = 15
"""Rates over five minutes then have twenty samples."""


class Alert(NamedTuple):
    """An alert.

    expr: PromQL, in which $selector is replaced by the label matchers of the pods and $namespace by their namespace. It
    names no label of the target, so series match by the labels that they have.
    after: how long the condition must last, as a duration of Prometheus; None: not at all.
    """

    name: str
    severity: str
    expr: str
    after: str | None
    summary: str
    description: str


_POD: Final = "{{ or $labels.pod $labels.instance }}"
"""The pod's name, or its address if the scrape has no name."""

ALERTS: Final = (
    Alert(
        "EdgemqttsimAbsent",
        "critical",
        'absent(edgemqttsim_build_info{namespace="$namespace"})\nunless on () edgemqttsim_build_info{$selector}',
        "5m",
        "No pod of edgemqttsim is scraped in {{ $labels.namespace }}.",
        "The simulator has not been scraped for 5 minutes. Check whether a pod runs (kubectl get pods) and whether"
        " Prometheus reaches it: the PodMonitor's labels or the pod's annotations, and port 8080 in the NetworkPolicy.",
    ),
    # A rollout or a restart of the broker takes two or three minutes.
    Alert(
        "EdgemqttsimNotReady",
        "critical",
        "edgemqttsim_connected{$selector} == 0",
        "5m",
        _POD + " has had no connection to the broker for 5 minutes.",
        "Messages wait in the queue, and are dropped when it is full. /readyz and the log have the reason;"
        " `python app.py preflight` in the pod tests name, TLS, token and login one by one.",
    ),
    # Not `== 0`: the counter of acknowledgements is summed over kinds, and a kind may send nothing for minutes.
    Alert(
        "EdgemqttsimNothingAcknowledged",
        "critical",
        "sum without (kind) (\n  rate(edgemqttsim_messages_generated_total{$selector}[5m])\n) > 0\n"
        "unless sum without (kind) (\n  rate(edgemqttsim_messages_acknowledged_total{$selector}[5m])\n) > 0\n"
        "unless (edgemqttsim_connected{$selector} == 0)",
        "5m",
        _POD + " is connected, but the broker acknowledges nothing.",
        "The plant emits messages, and the broker has acknowledged none for 5 minutes. Check the broker's health and"
        " disk buffer, and edgemqttsim_messages_refused_total: 0x87 means that BrokerAuthorization lacks the topics.",
    ),
    # Kubernetes writes a new token after four fifths of its lifetime: 12 minutes before the expiry of an hour's token.
    Alert(
        "EdgemqttsimTokenNearExpiry",
        "warning",
        "edgemqttsim_token_expiry_timestamp_seconds{$selector} - time() < 600",
        "1m",
        f"The token of {_POD} expires in {{{{ $value | humanizeDuration }}}}.",
        "It should have been refreshed by now; when it expires, the broker ends the connection. Check whether the"
        " kubelet refreshes the projected volume (expirationSeconds, at least 3600 for this alert), and the log for why"
        " a new token was not accepted.",
    ),
    # The default queue of 1,000 lasts the default plant four minutes: half full, two are left.
    Alert(
        "EdgemqttsimQueueFilling",
        "warning",
        "edgemqttsim_queue_messages{$selector}\n/ edgemqttsim_queue_size_messages{$selector} > 0.5",
        "1m",
        f"The queue of {_POD} is {{{{ $value | humanizePercentage }}}} full.",
        "The broker acknowledges less than the plant emits, or is not available. When the queue is full, QUEUE_POLICY"
        " decides what is dropped. Raise QUEUE_SIZE for longer outages, or the throughput of broker or simulator"
        " (MQTT_WINDOW, more replicas).",
    ),
    Alert(
        "EdgemqttsimMessagesRefused",
        "warning",
        "increase(edgemqttsim_messages_refused_total{$selector}[10m]) > 0",
        None,
        f"The broker rejects messages of {_POD} with {{{{ $labels.code }}}}.",
        "Rejected messages are lost: they are not sent again. 0x87 is Not authorized: compare BrokerAuthorization with"
        " `python app.py export authorization`. 0x90 is a topic, 0x99 a payload that the broker does not accept.",
    ),
    # Messages left at shutdown are in the last statistics block of the log; no scrape follows it.
    Alert(
        "EdgemqttsimMessagesDropped",
        "warning",
        "increase(edgemqttsim_messages_dropped_total{$selector}[10m]) > 0",
        None,
        _POD + " drops messages: {{ $labels.reason }}.",
        "oldest and newest: the queue was full, see EdgemqttsimQueueFilling. too_large: the broker's Maximum Packet"
        " Size is smaller than a message. no_topic: the topic that results from the YAML is invalid.",
    ),
    # One second is a stall for CATCH_UP, and the threshold of the log's statistics.
    Alert(
        "EdgemqttsimLate",
        "warning",
        "histogram_quantile(0.95,\n  rate(edgemqttsim_lateness_seconds_bucket{$selector}[5m])\n) > 1",
        "5m",
        _POD + " is {{ $value | humanizeDuration }} behind its own clock.",
        "One turn in twenty of the run loop is more than a second late: the pod needs more CPU. Raise the CPU limit,"
        " lower the load (base_interval, machine_counts), or divide the plant among more pods (SHARD).",
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
    # A restarted container keeps its pod's name; a rollout makes new ones. Two restarts may be an upgrade of the node.
    Alert(
        "EdgemqttsimRestarting",
        "warning",
        "changes(process_start_time_seconds{$selector}[30m]) > 2\n"
        "and ignoring (version) edgemqttsim_build_info{$selector}",
        None,
        _POD + " has been restarted {{ $value | humanize }} times in half an hour.",
        "kubectl logs --previous shows the end of the last run, kubectl describe pod its exit code: 2 is the"
        " configuration, 3 the broker's rejection, 137 with OOMKilled too little memory.",
    ),
    # The previous plant stays in use, so nothing else shows it.
    Alert(
        "EdgemqttsimReloadRefused",
        "warning",
        'increase(edgemqttsim_reloads_total{$selector, outcome="refused"}[1h]) > 0',
        None,
        _POD + " has rejected the plant's new YAML.",
        "It keeps the previous plant. The log has each error with its line; `python app.py check FILE` finds them"
        " before a rollout.",
    ),
)


def prometheus(export: Export) -> list[File]:
    """PodMonitor and PrometheusRule (Prometheus Operator): scraping, and alerts with remedies.

    Two files, prometheus/podmonitor.yaml and prometheus/prometheusrule.yaml, for operators. The rules are tested with
    promtool and a real Prometheus, the resources against the Prometheus Operator's API reference only by hand.
    """
    return [
        File("prometheus/podmonitor.yaml", dump(pod_monitor(export, API_VERSION), head=_HEAD)),
        File("prometheus/prometheusrule.yaml", dump(_rule(export), head=_HEAD)),
    ]


_HEAD: Final = "Generated by: python app.py export prometheus"


def pod_monitor(export: Export, api_version: str) -> dict[str, Any]:
    """Return a PodMonitor, which is the same in both API groups that have one."""
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
    """Return the alert's PromQL for the pods of the export's namespace, under either label."""
    over_two_lines = selector(export.namespace).replace(", ", ",\n  ")
    return alert.expr.replace("$selector", over_two_lines).replace("$namespace", export.namespace)


def selector(namespace: str) -> str:
    """Return label matchers for a namespace: `namespace` and `kubernetes_namespace`, of which each series has one."""
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
