"""The same scraping and alerts for Azure Monitor's Prometheus, which has a PodMonitor of its own and no PrometheusRule.

Alerts are a rule group in Azure: Microsoft.AlertsManagement/prometheusRuleGroups, as Bicep.
"""

from __future__ import annotations

from typing import Any, Final

from cli.exports.azure.bicep import literal
from cli.exports.common.export import Export, File, commented
from cli.exports.common.names import heading
from cli.exports.common.yaml_text import dump
from cli.exports.monitoring.prometheus import ALERTS, Alert, expression, pod_monitor

POD_MONITOR: Final = "azmonitoring.coreos.com/v1"
API_VERSION: Final = "2023-03-01"
"""Of Microsoft.AlertsManagement/prometheusRuleGroups: the only stable one."""
SEVERITIES: Final = {"critical": 0, "warning": 2}
"""Azure Monitor's numbers: 0 Critical, 1 Error, 2 Warning, 3 Informational, 4 Verbose."""

_HEAD: Final = """
Alerts on the metrics of edgemqttsim, for Azure Monitor's managed Prometheus. Deploy it with

  az deployment group create -g <RESOURCE_GROUP> -f alerts.bicep -p scopes='["<WORKSPACE_ID>"]'

Yours to fill in, in that command:
  <RESOURCE_GROUP>  a resource group; it says in which region the alerts are, which must be the workspace's
  <WORKSPACE_ID>    the resource id of the Azure Monitor workspace that has the metrics

Where the workspace has the metrics of several clusters, add the resource id of one to scopes, and its clusterName.

It has been checked for its shape only, never compiled or deployed: run `az bicep build -f alerts.bicep` first.
"""

_FRAME: Final = """\
@description('Resource id of the Azure Monitor workspace; after it, if you like, that of the one cluster to look at.')
param scopes array

@description('Name of the one cluster to look at; empty for all of the workspace.')
param clusterName string = ''

@description('Resource ids of the action groups to tell.')
param actionGroupIds array = []

@description('Whether the alerts are evaluated.')
param enabled bool = true

@description('Azure region: that of the Azure Monitor workspace.')
param location string = resourceGroup().location

var actions = [for id in actionGroupIds: {
  actionGroupId: id
}]

"""


def azure_monitor(export: Export) -> list[File]:
    """PodMonitor and alerts for Azure Monitor's managed Prometheus: the alerts as Bicep, for Azure."""
    monitor = dump(pod_monitor(export, POD_MONITOR), head="Made by: python app.py export azure-monitor")
    rules = literal([_rule(alert, export) for alert in ALERTS])
    comment = commented(heading(_HEAD, "azure-monitor"), "//")
    return [
        File("azure-monitor/podmonitor.yaml", monitor),
        File("azure-monitor/alerts.bicep", f"{comment}\n{_FRAME}var rules = {rules}\n\n{_group(export)}"),
    ]


def _group(export: Export) -> str:
    return f"""\
resource group 'Microsoft.AlertsManagement/prometheusRuleGroups@{API_VERSION}' = {{
  name: '{export.app}-{export.namespace}'
  location: location
  properties: {{
    description: 'Made by: python app.py export azure-monitor'
    enabled: enabled
    clusterName: empty(clusterName) ? null : clusterName
    scopes: scopes
    interval: 'PT1M'
    rules: [for rule in rules: union(rule, {{ actions: actions }})]
  }}
}}
"""


def _rule(alert: Alert, export: Export) -> dict[str, Any]:
    rule = {
        "alert": alert.name,
        "enabled": True,
        "expression": expression(alert, export),
        "for": _iso8601(alert.after),
        "severity": SEVERITIES[alert.severity],
        "labels": {"severity": alert.severity},
        "annotations": {"summary": alert.summary, "description": alert.description},
        "resolveConfiguration": {"autoResolved": True, "timeToResolve": "PT2M"},
    }
    return {key: value for key, value in rule.items() if value is not None}


def _iso8601(after: str | None) -> str | None:
    """A duration of minutes or hours as ISO 8601 has it: 5m is PT5M."""
    return None if after is None else f"PT{after.upper()}"
