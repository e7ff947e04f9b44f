"""Assets in the classic model of Azure Device Registry: `deviceregistry.microsoft.com/v1`.

No connector of Azure IoT Operations reads MQTT in this model: the files describe what is published, field by field, to
a connector of one's own or to people.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

from cli.exports.common.export import Export, File
from cli.exports.common.names import heading, metadata, resource_name
from cli.exports.common.yaml_text import dump
from plant.catalogue.catalogue import FieldSpec, MessageKind

API: Final = "deviceregistry.microsoft.com/v1"
ENDPOINT_FILE, ASSETS_FILE = "mqtt-asset-endpoint.yaml", "mqtt-asset-example.yaml"
DATASETS_IN_ASSET: Final = 100
"""More topics than that make another asset: Kubernetes stores no object above 1.5 MiB."""

_ENDPOINT_HEAD: Final = """
Where the factory's messages are: the MQTT broker of Azure IoT Operations (classic model).

The port speaks TLS and wants a service account token. This model has no word for a token, so `authentication` says
Anonymous, and `additionalConfiguration` says what a client needs.
"""
_ASSETS_HEAD: Final = """
What the factory publishes: an asset for each kind of message, a dataset for each topic, a data point for each
field of the JSON (classic model). `topic.path` is where the simulator publishes; `dataSource` is the field's key.

What is created with kubectl stays in the cluster: Azure does not learn of it (docs/assets.md).
"""


def classic(export: Export) -> list[File]:
    """The endpoint profile, and the assets that refer to it."""
    endpoint = dump(_endpoint(export), head=heading(_ENDPOINT_HEAD, "assets"))
    assets = dump(*_assets(export), head=heading(_ASSETS_HEAD, "assets"))
    return [File(ENDPOINT_FILE, endpoint), File(ASSETS_FILE, assets)]


def endpoint_name(export: Export) -> str:
    """The name of the endpoint, the same in both models."""
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
    """What no field of an asset is meant for: how many machines there are, what units the numbers have."""
    machines = {"machines": str(len(kind.machines))} if kind.machines else {}
    return machines | {f"{field.name}_unit": field.unit for field in kind.fields if field.unit}


def _dataset(kind: MessageKind, topic: str) -> dict[str, Any]:
    return {
        "name": topic,
        "topic": {"path": topic, "retain": "Keep" if kind.retained else "Never"},
        "dataPoints": [_data_point(field) for field in kind.fields],
    }


def _data_point(field: FieldSpec) -> dict[str, str]:
    measured = "Gauge" if field.json_type in ("number", "integer") else "None"
    return {"name": field.name, "dataSource": field.name, "observabilityMode": measured}


def _resource(export: Export, kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": API, "kind": kind, "metadata": metadata(export, name), "spec": spec}
