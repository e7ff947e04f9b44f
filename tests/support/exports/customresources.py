"""Schemas of the custom resources that are exported: every field that a resource may have, all others refused.

Written from the published properties of Microsoft.DeviceRegistry 2024-11-01 (classic) and 2026-04-01 (namespaced) and
of Microsoft.IoTOperations 2025-10-01. Read-only fields (uuid, status, version) are left out: a manifest must not set
them. `endpointType`-like names are closed here to what this project may write.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from jsonschema import Draft202012Validator

from tests.support.exports import yamlread

Json = dict[str, Any]

TEXT: Json = {"type": "string", "minLength": 1}
FLAG: Json = {"type": "boolean"}
NAME: Json = {"type": "string", "minLength": 3, "maxLength": 63, "pattern": "^[a-z0-9][a-z0-9-]*[a-z0-9]$"}
DEVICE_NAME: Json = {"type": "string", "minLength": 3, "maxLength": 63, "pattern": "^[0-9a-zA-Z][a-zA-Z0-9-]*$"}


def one(*values: str) -> Json:
    """One of some words."""
    return {"enum": list(values)}


def many(item: Json, least: int = 0) -> Json:
    """A list."""
    return {"type": "array", "items": item, "minItems": least}


def named(value: Json) -> Json:
    """A mapping from any name."""
    return {"type": "object", "additionalProperties": value}


def fields(required: Mapping[str, Json], optional: Mapping[str, Json] | None = None) -> Json:
    """An object of these fields and no others."""
    properties = {**required, **(optional or {})}
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def texts(*names: str) -> dict[str, Json]:
    """Fields that hold text."""
    return dict.fromkeys(names, TEXT)


IDENTITY = {
    "enabled": FLAG,
    "attributes": named(TEXT),
    "discoveredAssetRefs": many(TEXT),
    **texts("externalAssetId", "displayName", "description", "manufacturer", "manufacturerUri", "model", "productCode"),
    **texts("hardwareRevision", "softwareRevision", "documentationUri", "serialNumber"),
    **texts("defaultDatasetsConfiguration", "defaultEventsConfiguration"),
}
"""Of an asset in both models."""

TOPIC = fields(texts("path"), {"retain": one("Keep", "Never")})
POINT = texts("name", "dataSource")

LOGIN = fields(
    {"method": one("Anonymous", "Certificate", "UsernamePassword")},
    {
        "usernamePasswordCredentials": fields(texts("usernameSecretName", "passwordSecretName")),
        "x509Credentials": fields(texts("certificateSecretName")),
    },
)

CLASSIC_ENDPOINT = fields(
    {**texts("targetAddress", "endpointProfileType"), "authentication": LOGIN},
    texts("additionalConfiguration", "discoveredAssetEndpointProfileRef"),
)
CLASSIC_POINT = fields(
    POINT,
    {"observabilityMode": one("Counter", "Gauge", "Histogram", "Log", "None"), **texts("dataPointConfiguration")},
)
CLASSIC_ASSET = fields(
    {"assetEndpointProfileRef": NAME},
    {
        **IDENTITY,
        "defaultTopic": TOPIC,
        "datasets": many(
            fields(texts("name"), {"topic": TOPIC, "dataPoints": many(CLASSIC_POINT), **texts("datasetConfiguration")})
        ),
        "events": many(
            fields(
                texts("name", "eventNotifier"),
                {"observabilityMode": one("Log", "None"), "topic": TOPIC, **texts("eventConfiguration")},
            )
        ),
    },
)

INBOUND = fields(
    {"endpointType": one("Microsoft.Mqtt"), **texts("address")},
    {
        "authentication": LOGIN,
        "trustSettings": fields({}, texts("trustList")),
        **texts("version", "additionalConfiguration"),
    },
)
DEVICE = fields(
    {},
    {
        "enabled": FLAG,
        "attributes": named(TEXT),
        **texts("externalDeviceId", "manufacturer", "model", "operatingSystem", "operatingSystemVersion"),
        **texts("discoveredDeviceRef"),
        "endpoints": fields(
            {},
            {
                "inbound": named(INBOUND),
                "outbound": fields({"assigned": named(fields(texts("address"), texts("endpointType")))}),
            },
        ),
    },
)
MQTT_DESTINATION = fields(
    {
        "target": one("Mqtt"),
        "configuration": fields(
            texts("topic"),
            {"qos": one("Qos0", "Qos1"), "retain": one("Keep", "Never"), "ttl": {"type": "integer", "minimum": 1}},
        ),
    }
)
DATASET = fields(
    texts("name"),
    {
        **texts("typeRef", "dataSource", "datasetConfiguration"),
        "dataPoints": many(fields(POINT, texts("dataPointConfiguration", "typeRef"))),
        "destinations": {**many(MQTT_DESTINATION), "maxItems": 1},
    },
)
ASSET = fields(
    {"deviceRef": fields({"deviceName": DEVICE_NAME, "endpointName": TEXT})},
    {**IDENTITY, "assetTypeRefs": {**many(TEXT), "maxItems": 1}, "datasets": many(DATASET)},
)

CONNECTOR = fields(
    {},
    {
        "useBuiltInMqttBroker": FLAG,
        "assetDiscoveryConfiguration": fields(
            {}, {**texts("topicFilter", "topicMappingPrefix"), "assetLevel": {"type": "integer", "minimum": 1}}
        ),
        "externalBrokerConfiguration": {"type": "object"},
    },
)
"""`additionalConfiguration` of an endpoint of the MQTT connector. Empty text makes it fail without a word."""

RULE = fields(
    {
        "principals": fields(
            {}, {"attributes": many(named(TEXT)), "clientIds": many(TEXT), "usernames": {"maxItems": 0}}
        ),
        "brokerResources": many(
            {
                "oneOf": [
                    fields({"method": one("Connect")}, {"clientIds": many(TEXT)}),
                    fields({"method": one("Publish", "Subscribe"), "topics": many(TEXT, 1)}),
                ]
            }
        ),
    },
    {"stateStoreResources": many({"type": "object"})},
)
BROKER_AUTHORIZATION = fields({"authorizationPolicies": fields({"rules": many(RULE)}, {"cache": one("Enabled")})})
PORT_NUMBER: Json = {"type": "integer", "minimum": 1, "maximum": 65535}
CERTIFICATE = fields(
    {"issuerRef": fields({"kind": one("ClusterIssuer", "Issuer"), **texts("group", "name")})},
    {"san": fields({"dns": many(TEXT), "ip": many(TEXT)}), **texts("duration", "renewBefore", "secretName")},
)
BROKER_LISTENER = fields(
    {
        "ports": many(
            fields(
                {"port": PORT_NUMBER},
                {
                    "protocol": one("Mqtt", "WebSockets"),
                    "nodePort": PORT_NUMBER,
                    "tls": fields({"mode": one("Automatic"), "certManagerCertificateSpec": CERTIFICATE}),
                    **texts("authenticationRef", "authorizationRef"),
                },
            ),
            1,
        )
    },
    {"serviceType": one("ClusterIp", "LoadBalancer", "NodePort"), **texts("serviceName", "brokerRef")},
)

MANAGED_IDENTITY = fields(
    {
        "method": one("SystemAssignedManagedIdentity"),
        "systemAssignedManagedIdentitySettings": fields({}, texts("audience")),
    }
)
BATCHING = fields({}, {"latencySeconds": {"type": "integer"}, "maxMessages": {"type": "integer"}})
KAFKA = fields(
    {**texts("host"), "authentication": MANAGED_IDENTITY},
    {
        "batching": {"type": "object"},
        "cloudEventAttributes": one("CreateOrRemap", "Propagate"),
        "compression": one("Gzip", "Lz4", "None", "Snappy"),
        "copyMqttProperties": one("Disabled", "Enabled"),
        "kafkaAcks": one("All", "One", "Zero"),
        "partitionStrategy": one("Default", "Property", "Static", "Topic"),
        "tls": fields({"mode": one("Disabled", "Enabled")}, texts("trustedCaCertificateConfigMapRef")),
        **texts("consumerGroupId"),
    },
)
EXPLORER = fields(
    {
        "host": {"type": "string", "pattern": r".+\..+\.kusto\.windows\.net"},
        "authentication": MANAGED_IDENTITY,
        **texts("database"),
    },
    {"batching": BATCHING},
)
DATAFLOW_ENDPOINT: Json = {
    "oneOf": [
        fields({"endpointType": one("Kafka"), "kafkaSettings": KAFKA}),
        fields({"endpointType": one("DataExplorer"), "dataExplorerSettings": EXPLORER}),
        fields(
            {"endpointType": one("LocalStorage"), "localStorageSettings": fields(texts("persistentVolumeClaimRef"))}
        ),
    ]
}
SOURCE = fields(
    {**texts("endpointRef"), "dataSources": many(TEXT, 1)},
    {"serializationFormat": one("Json"), **texts("assetRef", "schemaRef")},
)
MAP = fields(
    {"inputs": many(TEXT, 1), **texts("output")},
    {
        "type": one("BuiltInFunction", "Compute", "NewProperties", "PassThrough", "Rename"),
        **texts("description", "expression"),
    },
)
TRANSFORMATION = fields(
    {},
    {
        "serializationFormat": one("Delta", "Json", "Parquet"),
        "map": many(MAP),
        "filter": many({"type": "object"}),
        "schemaRef": {"type": "string", "pattern": "^aio-sr://[^/]+/[a-z0-9][a-z0-9-]{1,62}[a-z0-9]:[0-9]{1,10}$"},
    },
)
OPERATION: Json = {
    "oneOf": [
        fields({"operationType": one("Source"), "sourceSettings": SOURCE}, texts("name")),
        fields(
            {"operationType": one("BuiltInTransformation"), "builtInTransformationSettings": TRANSFORMATION},
            texts("name"),
        ),
        fields(
            {
                "operationType": one("Destination"),
                "destinationSettings": fields(texts("endpointRef", "dataDestination")),
            },
            texts("name"),
        ),
    ]
}
DATAFLOW = fields(
    {"profileRef": TEXT, "operations": many(OPERATION, 2)},
    {"mode": one("Disabled", "Enabled"), "requestDiskPersistence": one("Disabled", "Enabled")},
)
CLAIM = fields(
    {
        "accessModes": many(one("ReadWriteOnce", "ReadWriteMany", "ReadWriteOncePod"), 1),
        "resources": fields({"requests": fields(texts("storage"))}),
    },
    texts("storageClassName"),
)

_DEVICE_REGISTRY, _BROKER = "deviceregistry.microsoft.com/v1", "mqttbroker.iotoperations.azure.com/v1"
_NAMESPACES, _CONNECTIVITY = f"namespaces.{_DEVICE_REGISTRY}", "connectivity.iotoperations.azure.com/v1"

SPECS: dict[tuple[str, str], Json] = {
    (_DEVICE_REGISTRY, "AssetEndpointProfile"): CLASSIC_ENDPOINT,
    (_DEVICE_REGISTRY, "Asset"): CLASSIC_ASSET,
    (_NAMESPACES, "Device"): DEVICE,
    (_NAMESPACES, "Asset"): ASSET,
    (_BROKER, "BrokerAuthorization"): BROKER_AUTHORIZATION,
    (_BROKER, "BrokerListener"): BROKER_LISTENER,
    (_CONNECTIVITY, "DataflowEndpoint"): DATAFLOW_ENDPOINT,
    (_CONNECTIVITY, "Dataflow"): DATAFLOW,
    ("v1", "PersistentVolumeClaim"): CLAIM,
}
"""What may be in `spec`, by apiVersion and kind."""

LABELS: Json = named({"type": "string", "pattern": "^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$"})
METADATA = fields({"name": NAME, "namespace": TEXT}, {"labels": LABELS, "annotations": named(TEXT)})
SERVICE_ACCOUNT = fields(
    {"apiVersion": one("v1"), "kind": one("ServiceAccount"), "metadata": METADATA},
    {"automountServiceAccountToken": FLAG},
)


def documents(text: str) -> list[Json]:
    """The resources in a file."""
    return yamlread.documents(text)


def faults(resources: Iterable[Json]) -> list[str]:
    """What is wrong with resources, each fault with where it is; an unknown kind is one."""
    return [fault for resource in resources for fault in _faults(resource)]


def _faults(resource: Json) -> list[str]:
    key = (resource.get("apiVersion", ""), resource.get("kind", ""))
    if key != ("v1", "ServiceAccount") and key not in SPECS:
        return [f"unknown kind {key}"]
    found = Draft202012Validator(_schema(key)).iter_errors(resource)
    return [f"{key[1]} {resource['metadata']['name']}: {error.json_path}: {error.message}" for error in found]


def _schema(key: tuple[str, str]) -> Json:
    if key == ("v1", "ServiceAccount"):
        return SERVICE_ACCOUNT
    return fields({"apiVersion": one(key[0]), "kind": one(key[1]), "metadata": METADATA, "spec": SPECS[key]})
