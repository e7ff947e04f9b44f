"""Assets in the classic model of Azure Device Registry: `deviceregistry.microsoft.com/v1`.

No connector of Azure IoT Operations reads MQTT in this model: the files describe every field of the messages, for a
connector of the user or for readers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

from cli.exports.common.export import Export, File
from cli.exports.common.names import heading, metadata, resource_name
from cli.exports.common.yaml_text import dump
from plant.catalogue.catalogue import MessageKind
from plant.catalogue.message_kinds import Leaf, leaves

API: Final = "deviceregistry.microsoft.com/v1"
ENDPOINT_FILE, ASSETS_FILE = "mqtt-asset-endpoint.yaml", "mqtt-asset-example.yaml"
DATASETS_IN_ASSET: Final = 100
"""Topics in one asset: Kubernetes stores no object above 1.5 MiB."""

_ENDPOINT_HEAD: Final = """
The MQTT broker of Azure IoT Operations, to which the factory publishes (classic model).

The port requires TLS and a service account token. This model has no method for tokens, so `authentication` is
Anonymous, and `additionalConfiguration` contains what a client needs.
"""
_ASSETS_HEAD: Final = """
The messages of the factory: an asset for each kind of message, a dataset for each topic, a data point for each
field of the JSON (classic model). `topic.path` is the topic; `dataSource` is the field's key.

Resources created with kubectl stay in the cluster and are not synchronised to Azure (docs/assets.md).
"""


def classic(export: Export) -> list[File]:
    """Return the endpoint profile (mqtt-asset-endpoint.yaml) and its assets (mqtt-asset-example.yaml)."""
    endpoint = dump(_endpoint(export), head=heading(_ENDPOINT_HEAD, "assets"))
    assets = dump(*_assets(export), head=heading(_ASSETS_HEAD, "assets"))
    return [File(ENDPOINT_FILE, endpoint), File(ASSETS_FILE, assets)]


def endpoint_name(export: Export) -> str:
    """Return the name of the endpoint, the same in both models."""
    return resource_name(export.prefix, "mqtt")


def _endpoint(export: Export) -> dict[str, Any]:
    scheme = "mqtts" if export.tls else "mqtt"
    login = {
        "protocolVersion": 5,
        "authenticationMethod": "K8S-SAT",
        "audience": "aio-internal",
        "caConfigMap": "azure-iot-operations-aio-ca-trust-bundle",
    }
    spec = {
        "targetAddress": f"{scheme}://{export.broker_host}:{export.broker_port}",
        "endpointProfileType": "Microsoft.Mqtt",
        "authentication": {"method": "Anonymous"},
        "additionalConfiguration": json.dumps(login, indent=2),
    }
    return _resource(export, "AssetEndpointProfile", endpoint_name(export), spec)


def _assets(export: Export) -> Iterator[dict[str, Any]]:
    for kind in export.kinds:
        topics = export.topics.topics_of(kind)
        for first in range(0, len(topics), DATASETS_IN_ASSET):
            name = resource_name(export.prefix, kind.key, *([f"from-{first + 1}"] if first else []))
            yield _resource(export, "Asset", name, _asset(export, kind, topics[first : first + DATASETS_IN_ASSET]))


def _asset(export: Export, kind: MessageKind, topics: Sequence[str]) -> dict[str, Any]:
    return {
        "assetEndpointProfileRef": endpoint_name(export),
        "enabled": True,
        "externalAssetId": kind.key,
        "displayName": kind.title,
        "description": kind.description,
        "manufacturer": export.app,
        "model": kind.key,
        "attributes": _attributes(kind),
        "datasets": [_dataset(kind, topic) for topic in topics],
    }


def _attributes(kind: MessageKind) -> dict[str, str]:
    """Return attributes without a field of their own: the number of machines, and the units of fields."""
    machines = {"machines": str(len(kind.machines))} if kind.machines else {}
    return machines | {f"{leaf.name}_unit": leaf.field.unit for leaf in leaves(kind.fields) if leaf.field.unit}


def _dataset(kind: MessageKind, topic: str) -> dict[str, Any]:
    return {
        "name": topic,
        "topic": {"path": topic, "retain": "Keep" if kind.retained else "Never"},
        "dataPoints": [_data_point(leaf) for leaf in leaves(kind.fields)],
    }


def _data_point(leaf: Leaf) -> dict[str, str]:
    measured = "Gauge" if leaf.field.json_type in ("number", "integer") else "None"
    return {"name": leaf.name, "dataSource": leaf.name, "observabilityMode": measured}


def _resource(export: Export, kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": API, "kind": kind, "metadata": metadata(export, name), "spec": spec}
