"""Assets in the namespaced model of Azure Device Registry: `namespaces.deviceregistry.microsoft.com/v1`.

A Device with inbound endpoints of the official MQTT connector, an Asset for each machine, and an Asset for each topic
that several sources share. A connector copies each topic once, so only one asset may name it: machines that share a
topic are assets without a dataset.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
    """Yield an asset for each machine, and one for each topic with several sources.

    A machine whose topics are discovered by several endpoints is an asset of each.
    """
    found, prefix = topic_entries(export), mapping_prefix(export)
    endpoints = {topic: each.name for each in discovery_endpoints(export) for topic in each.topics}
    own_topics = _topics_of_one_machine(found, endpoints)
    described: dict[str, list[str]] = defaultdict(list)
    for entry in found:
        endpoint = endpoints[entry.topic]
        reference = {"deviceRef": {"deviceName": endpoint_name(export), "endpointName": endpoint}}
        for kind, machine in entry.machines:
            known = described[machine.machine_id]
            if endpoint not in known:
                own = own_topics[machine.machine_id, endpoint]
                name = asset_name_of_machine(export, machine, *([endpoint] if known else []))
                spec = _machine(export, own, entry.topic, kind, machine) | _datasets(own, prefix)
                yield RegistryResource(name, reference | spec)
                known.append(endpoint)
        if not entry.has_one_machine:
            spec = _topic(export, entry) | _datasets([entry], prefix)
            yield RegistryResource(asset_name_of_topic(export, entry), reference | spec)


def _topics_of_one_machine(
    found: Iterable[TopicEntry], endpoints: Mapping[str, str]
) -> Mapping[tuple[str, str], Sequence[TopicEntry]]:
    """Return the topics that one machine alone publishes to, by its id and their endpoint."""
    own: dict[tuple[str, str], list[TopicEntry]] = defaultdict(list)
    for entry in found:
        if entry.has_one_machine:
            own[entry.machines[0][1].machine_id, endpoints[entry.topic]].append(entry)
    return own


def _machine(
    export: Export, own: Sequence[TopicEntry], topic: str, kind: MessageKind, machine: MachineRef
) -> dict[str, Any]:
    """Return what an asset reports of its machine. own: its topics; without any, the shared topic and kind."""
    kinds = [each for entry in own for each in entry.kinds] or [kind]
    topics = ", ".join(entry.topic for entry in own) or topic
    shown = f"{machine.machine_id} ({_titles(kinds)})"
    return _identity(export, machine.machine_id, shown, kinds, {"station": machine.station, "topic": topics})


def _topic(export: Export, entry: TopicEntry) -> dict[str, Any]:
    attributes = {"sources": str(len(entry.machines))} if entry.machines else {}
    return _identity(export, entry.topic, f"{entry.topic} ({_titles(entry.kinds)})", entry.kinds[:1], attributes)


def _titles(kinds: Iterable[MessageKind]) -> str:
    return ", ".join(dict.fromkeys(kind.title for kind in kinds))


def _identity(
    export: Export, identity: str, shown: str, kinds: Sequence[MessageKind], attributes: Mapping[str, str]
) -> dict[str, Any]:
    return {
        "enabled": True,
        "externalAssetId": identity,
        "displayName": shown,
        "description": kinds[0].description,
        "manufacturer": export.app,
        "model": kinds[0].machine_type or kinds[0].key,
        "attributes": {"messageType": ", ".join(dict.fromkeys(kind.key for kind in kinds)), **attributes},
    }


def _datasets(entries: Iterable[TopicEntry], prefix: str) -> dict[str, Any]:
    """Return the datasets of topics; nothing without topics."""
    datasets = [_dataset(entry, prefix) for entry in entries]
    return {"datasets": datasets} if datasets else {}


def _dataset(entry: TopicEntry, prefix: str) -> dict[str, Any]:
    retain = "Keep" if any(kind.retained for kind in entry.kinds) else "Never"
    target = {"topic": f"{prefix}/{entry.topic}", "qos": "Qos1", "retain": retain, "ttl": EXPIRY_SECONDS}
    return {
        "name": entry.topic,
        "dataSource": entry.topic,
        "dataPoints": [{"name": name, "dataSource": name} for name in data_points(entry.kinds)],
        "destinations": [{"target": "Mqtt", "configuration": target}],
    }


def _document(export: Export, kind: str, resource: RegistryResource) -> dict[str, Any]:
    return {
        "apiVersion": API,
        "kind": kind,
        "metadata": metadata(export, resource.name),
        "spec": resource.spec,
    }
