"""Assets in the namespaced model of Azure Device Registry: `namespaces.deviceregistry.microsoft.com/v1`.

A Device with inbound endpoints of the official MQTT connector, an Asset for each machine, and an Asset for each topic
that several sources share. A connector copies each topic once, so only one asset may name it: machines that share a
topic are assets without a dataset.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from cli.exports.azure.classic import endpoint_name
from cli.exports.azure.topic_entries import (
    DiscoveryEndpoint,
    TopicEntry,
    asset_name_of_machine,
    asset_name_of_topic,
    discovery_endpoints,
    mapping_prefix,
    topic_entries,
)
from cli.exports.common.export import Export, File
from cli.exports.common.names import data_points, heading, metadata
from cli.exports.common.yaml_text import dump
from plant.catalogue.catalogue import MachineRef, MessageKind

API: Final = "namespaces.deviceregistry.microsoft.com/v1"
DEVICE_FILE, ASSETS_FILE = "mqtt-device.yaml", "mqtt-device-assets.yaml"
ENDPOINT_TYPE: Final = "Microsoft.Mqtt"
EXPIRY_SECONDS: Final = 3600
"""The time to live of a copy at the broker."""

_DEVICE_HEAD: Final = """
The factory as a device of the MQTT connector of Azure IoT Operations (namespaced model).

Each endpoint discovers assets by its topic filter: assetLevel is the level of a topic that names the asset. It
cannot be changed later: delete the device and create it again.

Resources created with kubectl stay in the cluster and are not synchronised to Azure (docs/assets.md).
"""
_ASSETS_HEAD: Final = """
The factory's machines and topics as assets (namespaced model). An asset's dataset names one topic; the connector
copies its messages to the destination. Machines that share a topic have no dataset: the topic has its own asset.

Resources created with kubectl stay in the cluster and are not synchronised to Azure (docs/assets.md).
"""


class RegistryResource(NamedTuple):
    """A resource of Azure Device Registry: its name, and its properties (Azure) or spec (Kubernetes)."""

    name: str
    spec: dict[str, Any]


def namespaced(export: Export) -> list[File]:
    """Return the device, and the assets that refer to its endpoints: mqtt-device.yaml, mqtt-device-assets.yaml."""
    found = (_document(export, "Asset", resource) for resource in asset_resources(export))
    return [
        File(DEVICE_FILE, dump(_document(export, "Device", device(export)), head=heading(_DEVICE_HEAD, "assets"))),
        File(ASSETS_FILE, dump(*found, head=heading(_ASSETS_HEAD, "assets"))),
    ]


def device(export: Export) -> RegistryResource:
    """Return the device: the broker, with an inbound endpoint for each topic filter."""
    spec = {
        "enabled": True,
        "externalDeviceId": endpoint_name(export),
        "manufacturer": export.app,
        "model": "simulated factory",
        "endpoints": {
            "inbound": {each.name: _inbound(export, each) for each in discovery_endpoints(export)},
            "outbound": {"assigned": {}},
        },
    }
    return RegistryResource(endpoint_name(export), spec)


def address(export: Export) -> str:
    """Return the broker's address for the MQTT connector, without a scheme as in Microsoft's pages."""
    return f"{export.broker_host}:{export.broker_port}"


def configuration(export: Export, found: DiscoveryEndpoint) -> dict[str, Any]:
    """Return an endpoint's configuration, by the connector's own schema."""
    return {
        "useBuiltInMqttBroker": True,
        "assetDiscoveryConfiguration": {
            "topicFilter": found.topic_filter,
            "assetLevel": found.asset_level,
            "topicMappingPrefix": mapping_prefix(export),
        },
    }


def _inbound(export: Export, found: DiscoveryEndpoint) -> dict[str, Any]:
    """Return an endpoint without credentials, as the connector logs in to the built-in broker by itself."""
    return {
        "endpointType": ENDPOINT_TYPE,
        "address": address(export),
        "authentication": {"method": "Anonymous"},
        "additionalConfiguration": json.dumps(configuration(export, found), indent=2, ensure_ascii=False),
    }


def asset_resources(export: Export) -> Iterator[RegistryResource]:
    """Yield an asset for each machine, and one for each topic with several sources."""
    found, prefix = topic_entries(export), mapping_prefix(export)
    endpoints = {topic: each.name for each in discovery_endpoints(export) for topic in each.topics}
    for entry in found:
        reference = {"deviceName": endpoint_name(export), "endpointName": endpoints[entry.topic]}
        for kind, machine in entry.machines:
            spec = {"deviceRef": reference, **_machine(export, entry.topic, kind, machine)}
            yield RegistryResource(
                asset_name_of_machine(export, machine),
                spec | (_datasets(entry, prefix) if entry.has_one_machine else {}),
            )
        if not entry.has_one_machine:
            spec = {"deviceRef": reference, **_topic(export, entry)}
            yield RegistryResource(asset_name_of_topic(export, entry), spec | _datasets(entry, prefix))


def _machine(export: Export, topic: str, kind: MessageKind, machine: MachineRef) -> dict[str, Any]:
    attributes = {"station": machine.station, "topic": topic}
    return _identity(export, machine.machine_id, f"{machine.machine_id} ({kind.title})", kind, attributes)


def _topic(export: Export, entry: TopicEntry) -> dict[str, Any]:
    titles = ", ".join(kind.title for kind in entry.kinds)
    attributes = {"sources": str(len(entry.machines))} if entry.machines else {}
    return _identity(export, entry.topic, f"{entry.topic} ({titles})", entry.kinds[0], attributes)


def _identity(
    export: Export, identity: str, shown: str, kind: MessageKind, attributes: Mapping[str, str]
) -> dict[str, Any]:
    return {
        "enabled": True,
        "externalAssetId": identity,
        "displayName": shown,
        "description": kind.description,
        "manufacturer": export.app,
        "model": kind.key,
        "attributes": {"messageType": kind.key, **attributes},
    }


def _datasets(entry: TopicEntry, prefix: str) -> dict[str, Any]:
    retain = "Keep" if any(kind.retained for kind in entry.kinds) else "Never"
    target = {"topic": f"{prefix}/{entry.topic}", "qos": "Qos1", "retain": retain, "ttl": EXPIRY_SECONDS}
    points = [{"name": field.name, "dataSource": field.name} for field in data_points(entry.kinds)]
    dataset = {
        "name": entry.topic,
        "dataSource": entry.topic,
        "dataPoints": points,
        "destinations": [{"target": "Mqtt", "configuration": target}],
    }
    return {"datasets": [dataset]}


def _document(export: Export, kind: str, resource: RegistryResource) -> dict[str, Any]:
    return {
        "apiVersion": API,
        "kind": kind,
        "metadata": metadata(export, resource.name),
        "spec": resource.spec,
    }
