// Alerts on the metrics of edgemqttsim, for Azure Monitor's managed Prometheus. Deploy it with
//
//   az deployment group create -g <RESOURCE_GROUP> -f alerts.bicep -p scopes='["<WORKSPACE_ID>"]'
//
// Yours to fill in, in that command:
//   <RESOURCE_GROUP>  a resource group; it says in which region the alerts are, which must be the workspace's
//   <WORKSPACE_ID>    the resource id of the Azure Monitor workspace that has the metrics
//
// Where the workspace has the metrics of several clusters, add the resource id of one to scopes, and its clusterName.
//
// It has been checked for its shape only, never compiled or deployed: run `az bicep build -f alerts.bicep` first.
//
// Made by `python app.py export azure-monitor` from the plant's YAML: change that, and make it anew.

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

var rules = [
  {
    alert: 'EdgemqttsimAbsent'
    enabled: true
    expression: 'absent(edgemqttsim_build_info{namespace="azure-iot-operations"})\nunless on () edgemqttsim_build_info{namespace=~"azure-iot-operations|",\n  kubernetes_namespace=~"azure-iot-operations|"}'
    for: 'PT5M'
    severity: 0
    labels: {
      severity: 'critical'
    }
    annotations: {
      summary: 'No pod of edgemqttsim is scraped in {{ $labels.namespace }}.'
      description: 'Nothing has been heard of the simulator for 5 minutes. See whether a pod runs (kubectl get pods), and whether Prometheus reaches it: the PodMonitor\'s labels or the pod\'s annotations, and port 8080 in the NetworkPolicy.'
    }
    resolveConfiguration: {
      autoResolved: true
      timeToResolve: 'PT2M'
    }
  }
  {
    alert: 'EdgemqttsimNotReady'
    enabled: true
    expression: 'edgemqttsim_connected{namespace=~"azure-iot-operations|",\n  kubernetes_namespace=~"azure-iot-operations|"} == 0'
    for: 'PT5M'
    severity: 0
    labels: {
      severity: 'critical'
    }
    annotations: {
      summary: '{{ or $labels.pod $labels.instance }} has had no connection to the broker for 5 minutes.'
      description: 'Messages wait in the queue, and are dropped once it is full. /readyz and the log say why it cannot connect; `python app.py preflight` in the pod checks name, TLS, token and login one by one.'
    }
    resolveConfiguration: {
      autoResolved: true
      timeToResolve: 'PT2M'
    }
  }
  {
    alert: 'EdgemqttsimNothingAcknowledged'
    enabled: true
    expression: 'sum without (kind) (\n  rate(edgemqttsim_messages_generated_total{namespace=~"azure-iot-operations|",\n  kubernetes_namespace=~"azure-iot-operations|"}[5m])\n) > 0\nunless sum without (kind) (\n  rate(edgemqttsim_messages_acknowledged_total{namespace=~"azure-iot-operations|",\n  kubernetes_namespace=~"azure-iot-operations|"}[5m])\n) > 0\nunless (edgemqttsim_connected{namespace=~"azure-iot-operations|",\n  kubernetes_namespace=~"azure-iot-operations|"} == 0)'
    for: 'PT5M'
    severity: 0
    labels: {
      severity: 'critical'
    }
    annotations: {
      summary: '{{ or $labels.pod $labels.instance }} is connected, but the broker acknowledges nothing.'
      description: 'The plant speaks and not one message was taken for 5 minutes. Look at the broker\'s health and its disk buffer, and at edgemqttsim_messages_refused_total: 0x87 there means that BrokerAuthorization lacks the topics.'
    }
    resolveConfiguration: {
      autoResolved: true
      timeToResolve: 'PT2M'
    }
  }
  {
    alert: 'EdgemqttsimTokenNearExpiry'
    enabled: true
    expression: 'edgemqttsim_token_expiry_timestamp_seconds{namespace=~"azure-iot-operations|",\n  kubernetes_namespace=~"azure-iot-operations|"} - time() < 600'
    for: 'PT1M'
    severity: 2
    labels: {
      severity: 'warning'
    }
    annotations: {
      summary: 'The token of {{ or $labels.pod $labels.instance }} expires in {{ $value | humanizeDuration }}.'
      description: 'A new one should have been there by now; with this one the broker ends the connection as it expires. See whether the kubelet renews the projected volume (expirationSeconds, at least 3600 for this alert), and the log for why the new token was not taken.'
    }
    resolveConfiguration: {
      autoResolved: true
      timeToResolve: 'PT2M'
    }
  }
  {
    alert: 'EdgemqttsimQueueFilling'
    enabled: true
    expression: 'edgemqttsim_queue_messages{namespace=~"azure-iot-operations|",\n  kubernetes_namespace=~"azure-iot-operations|"}\n/ edgemqttsim_queue_size_messages{namespace=~"azure-iot-operations|",\n  kubernetes_namespace=~"azure-iot-operations|"} > 0.5'
    for: 'PT1M'
    severity: 2
    labels: {
      severity: 'warning'
    }
    annotations: {
      summary: 'The queue of {{ or $labels.pod $labels.instance }} is {{ $value | humanizePercentage }} full.'
      description: 'The broker takes less than the plant says, or is away. When the queue is full, QUEUE_POLICY decides what is lost. Raise QUEUE_SIZE for longer outages; else give the broker or the simulator more room (MQTT_WINDOW, more replicas).'
    }
    resolveConfiguration: {
      autoResolved: true
      timeToResolve: 'PT2M'
    }
  }
  {
    alert: 'EdgemqttsimMessagesRefused'
    enabled: true
    expression: 'increase(edgemqttsim_messages_refused_total{namespace=~"azure-iot-operations|",\n  kubernetes_namespace=~"azure-iot-operations|"}[10m]) > 0'
    severity: 2
    labels: {
      severity: 'warning'
    }
    annotations: {
      summary: 'The broker refuses messages of {{ or $labels.pod $labels.instance }} with {{ $labels.code }}.'
      description: 'Refused messages are lost: they are not sent again. 0x87 is Not authorized: compare BrokerAuthorization with `python app.py export authorization`. 0x90 is a topic, 0x99 a payload that the broker does not take.'
    }
    resolveConfiguration: {
      autoResolved: true
      timeToResolve: 'PT2M'
    }
  }
  {
    alert: 'EdgemqttsimMessagesDropped'
    enabled: true
    expression: 'increase(edgemqttsim_messages_dropped_total{namespace=~"azure-iot-operations|",\n  kubernetes_namespace=~"azure-iot-operations|"}[10m]) > 0'
    severity: 2
    labels: {
      severity: 'warning'
    }
    annotations: {
      summary: '{{ or $labels.pod $labels.instance }} drops messages: {{ $labels.reason }}.'
      description: 'oldest and newest: the queue was full, see EdgemqttsimQueueFilling. too_large: the broker\'s Maximum Packet Size is smaller than a message. no_topic: no broker would take the topic that the YAML makes.'
    }
    resolveConfiguration: {
      autoResolved: true
      timeToResolve: 'PT2M'
    }
  }
  {
    alert: 'EdgemqttsimLate'
    enabled: true
    expression: 'histogram_quantile(0.95,\n  rate(edgemqttsim_lateness_seconds_bucket{namespace=~"azure-iot-operations|",\n  kubernetes_namespace=~"azure-iot-operations|"}[5m])\n) > 1'
    for: 'PT5M'
    severity: 2
    labels: {
      severity: 'warning'
    }
    annotations: {
      summary: '{{ or $labels.pod $labels.instance }} is {{ $value | humanizeDuration }} behind its own clock.'
      description: 'One turn in twenty of the run loop comes more than a second late: the pod needs more CPU than it gets. Raise the CPU limit, lower the load (base_interval, machine_counts), or deal the plant out to more pods (SHARD).'
    }
    resolveConfiguration: {
      autoResolved: true
      timeToResolve: 'PT2M'
    }
  }
  {
    alert: 'EdgemqttsimReconnecting'
    enabled: true
    expression: 'increase(edgemqttsim_reconnects_total{namespace=~"azure-iot-operations|",\n  kubernetes_namespace=~"azure-iot-operations|"}[30m]) > 5'
    severity: 2
    labels: {
      severity: 'warning'
    }
    annotations: {
      summary: '{{ or $labels.pod $labels.instance }} has lost its connection {{ $value | humanize }} times in half an hour.'
      description: 'The log has the reason of each. 0x8E: another client uses the same client id (MQTT_CLIENT_ID). Keep alive: the network or the broker stalls. 0x87: token or BrokerAuthentication.'
    }
    resolveConfiguration: {
      autoResolved: true
      timeToResolve: 'PT2M'
    }
  }
  {
    alert: 'EdgemqttsimRestarting'
    enabled: true
    expression: 'changes(process_start_time_seconds{namespace=~"azure-iot-operations|",\n  kubernetes_namespace=~"azure-iot-operations|"}[30m]) > 2\nand ignoring (version) edgemqttsim_build_info{namespace=~"azure-iot-operations|",\n  kubernetes_namespace=~"azure-iot-operations|"}'
    severity: 2
    labels: {
      severity: 'warning'
    }
    annotations: {
      summary: '{{ or $labels.pod $labels.instance }} has been started again {{ $value | humanize }} times in half an hour.'
      description: 'kubectl logs --previous shows the end of the last run, kubectl describe pod its exit code: 2 is the configuration, 3 the broker\'s refusal, 137 with OOMKilled too little memory.'
    }
    resolveConfiguration: {
      autoResolved: true
      timeToResolve: 'PT2M'
    }
  }
  {
    alert: 'EdgemqttsimReloadRefused'
    enabled: true
    expression: 'increase(edgemqttsim_reloads_total{namespace=~"azure-iot-operations|",\n  kubernetes_namespace=~"azure-iot-operations|", outcome="refused"}[1h]) > 0'
    severity: 2
    labels: {
      severity: 'warning'
    }
    annotations: {
      summary: '{{ or $labels.pod $labels.instance }} refuses the plant\'s new YAML.'
      description: 'The old plant stays in force. The log names each mistake and its line; `python app.py check FILE` does so before it is rolled out.'
    }
    resolveConfiguration: {
      autoResolved: true
      timeToResolve: 'PT2M'
    }
  }
]

resource group 'Microsoft.AlertsManagement/prometheusRuleGroups@2023-03-01' = {
  name: 'edgemqttsim-azure-iot-operations'
  location: location
  properties: {
    description: 'Made by: python app.py export azure-monitor'
    enabled: enabled
    clusterName: empty(clusterName) ? null : clusterName
    scopes: scopes
    interval: 'PT1M'
    rules: [for rule in rules: union(rule, { actions: actions })]
  }
}
