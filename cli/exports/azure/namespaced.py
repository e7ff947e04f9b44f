"""Assets in the namespaced model of Azure Device Registry: `namespaces.deviceregistry.microsoft.com/v1`.

A Device with inbound endpoints of the official MQTT connector, an Asset for each machine, and an Asset for each topic
that no machine has to itself. A connector copies each topic once, so only one asset may name it: machines that share a
topic are assets without a dataset of their own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from cli.exports.azure.classic import endpoint_name
from cli.exports.azure.topic_entries import (
    Discovery,
    TopicEntry,
    discoveries,
    machine_name,
    mapping_prefix,
    place_name,
    places,
)
from cli.exports.common.export import Export, File
from cli.exports.common.names import data_points, heading, metadata
from cli.exports.common.yaml_text import dump
from plant.catalogue.catalogue import MachineRef, MessageKind

API: Final = "namespaces.deviceregistry.microsoft.com/v1"
DEVICE_FILE, ASSETS_FILE = "mqtt-device.yaml", "mqtt-device-assets.yaml"
ENDPOINT_TYPE: Final = "Microsoft.Mqtt"
EXPIRY_SECONDS: Final = 3600
"""For how long the broker keeps a copy that nobody fetches."""

_DEVICE_HEAD: Final = """
The factory as a device of the MQTT connector of Azure IoT Operations (namespaced model).

Each endpoint discovers assets by its topic filter: the level of a topic that assetLevel counts to is the asset's
name. This cannot be changed later: delete the device and create it anew.

What is created with kubectl stays in the cluster: Azure does not learn of it (docs/assets.md).
"""
_ASSETS_HEAD: Final = """
The factory's machines and topics as assets (namespaced model). An asset's dataset names one topic; the connector
copies what is published there to the destination. Machines that share a topic have no dataset: the topic has its own
asset.

What is created with kubectl stays in the cluster: Azure does not learn of it (docs/assets.md).
"""


class Resource(NamedTuple):
    """A resource of Azure Device Registry, whatever form it is written in: its name, and its properties or spec."""

    name: str
    spec: dict[str, Any]


def namespaced(export: Export) -> list[File]:
    """The device, and the assets that refer to its endpoints."""
    found = (_document(export, "Asset", resource) for resource in asset_resources(export))
    return [
        File(DEVICE_FILE, dump(_document(export, "Device", device(export)), head=heading(_DEVICE_HEAD, "assets"))),
        File(ASSETS_FILE, dump(*found, head=heading(_ASSETS_HEAD, "assets"))),
    ]


def device(export: Export) -> Resource:
    """The device: the broker, with an inbound endpoint for each filter by which topics are discovered."""
    spec = {
        "enabled": True,
        "externalDeviceId": endpoint_name(export),
        "manufacturer": export.app,
        "model": "simulated factory",
        "endpoints": {
            "inbound": {each.name: _inbound(export, each) for each in discoveries(export)},
            "outbound": {"assigned": {}},
        },
    }
    return Resource(endpoint_name(export), spec)


def address(export: Export) -> str:
    """The broker as the MQTT connector wants it: Microsoft's pages have the built-in one without a scheme."""
    return f"{export.broker_host}:{export.broker_port}"


def configuration(export: Export, found: Discovery) -> dict[str, Any]:
    """What an endpoint discovers, by the connector's own schema."""
    return {
        "useBuiltInMqttBroker": True,
        "assetDiscoveryConfiguration": {
            "topicFilter": found.topic_filter,
            "assetLevel": found.asset_level,
            "topicMappingPrefix": mapping_prefix(export),
        },
    }


def _inbound(export: Export, found: Discovery) -> dict[str, Any]:
    """The built-in broker's login is the connector's own, so there are no credentials here."""
    return {
        "endpointType": ENDPOINT_TYPE,
        "address": address(export),
        "authentication": {"method": "Anonymous"},
        "additionalConfiguration": json.dumps(configuration(export, found), indent=2, ensure_ascii=False),
    }


def asset_resources(export: Export) -> Iterator[Resource]:
    """An asset for each machine, then one for each topic that is not one machine's own."""
    found, prefix = places(export), mapping_prefix(export)
    endpoints = {topic: each.name for each in discoveries(export) for topic in each.topics}
    for place in found:
        reference = {"deviceName": endpoint_name(export), "endpointName": endpoints[place.topic]}
        for kind, machine in place.machines:
            spec = {"deviceRef": reference, **_machine(export, place.topic, kind, machine)}
            yield Resource(machine_name(export, machine), spec | (_datasets(place, prefix) if place.alone else {}))
        if not place.alone:
            spec = {"deviceRef": reference, **_topic(export, place)}
            yield Resource(place_name(export, place), spec | _datasets(place, prefix))


def _machine(export: Export, topic: str, kind: MessageKind, machine: MachineRef) -> dict[str, Any]:
    attributes = {"station": machine.station, "topic": topic}
    return _identity(export, machine.machine_id, f"{machine.machine_id} ({kind.title})", kind, attributes)


def _topic(export: Export, place: TopicEntry) -> dict[str, Any]:
    titles = ", ".join(kind.title for kind in place.kinds)
    attributes = {"sources": str(len(place.machines))} if place.machines else {}
    return _identity(export, place.topic, f"{place.topic} ({titles})", place.kinds[0], attributes)


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


def _datasets(place: TopicEntry, prefix: str) -> dict[str, Any]:
    retain = "Keep" if any(kind.retained for kind in place.kinds) else "Never"
    target = {"topic": f"{prefix}/{place.topic}", "qos": "Qos1", "retain": retain, "ttl": EXPIRY_SECONDS}
    points = [{"name": field.name, "dataSource": field.name} for field in data_points(place.kinds)]
    dataset = {
        "name": place.topic,
        "dataSource": place.topic,
        "dataPoints": points,
        "destinations": [{"target": "Mqtt", "configuration": target}],
    }
    return {"datasets": [dataset]}


def _document(export: Export, kind: str, resource: Resource) -> dict[str, Any]:
    return {
        "apiVersion": API,
        "kind": kind,
        "metadata": metadata(export, resource.name),
        "spec": resource.spec,
    }
