"""Target `dataflow`: from the broker to Microsoft Fabric, to Azure Data Explorer, and to files on a volume."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from cli.exports.common.export import Export, File
from cli.exports.common.names import heading, metadata, placed_columns, resource_name, unique_name
from cli.exports.common.yaml_text import dump
from cli.exports.schemas.json_schema import schema_name
from cli.exports.schemas.kql_tables import TABLE, table_names
from plant.catalogue.catalogue import MessageKind

API: Final = "connectivity.iotoperations.azure.com/v1"

_IDENTITY: Final = {"method": "SystemAssignedManagedIdentity", "systemAssignedManagedIdentitySettings": {}}
"""The identity of the Azure IoT Operations extension itself, which needs no secret."""

_FABRIC_HEAD: Final = """
From the MQTT broker to an eventstream of Microsoft Fabric, by its Kafka endpoint. Messages are forwarded unchanged,
with their CloudEvents attributes as headers (id, source, time ...), so a repeated message is recognisable by its id.

Replace:
  <FABRIC_BOOTSTRAP_SERVER>  of the eventstream's custom endpoint, Kafka tab, with its port 9093
  <FABRIC_TOPIC>             its topic name, es_...

The identity of the Azure IoT Operations extension needs the role Contributor in the Fabric workspace.
"""
_EXPLORER_HEAD: Final = """
From the MQTT broker to the table {table} of Azure Data Explorer, which `python app.py export kql` creates. There is a
dataflow for each kind of message, because each has its own schema; kinds that share a topic cannot be distinguished.
Storage has no headers, so CloudEvents attributes are not stored; messages contain time and machine themselves.

Replace:
  <ADX_CLUSTER>, <ADX_REGION>   the cluster's host is <ADX_CLUSTER>.<ADX_REGION>.kusto.windows.net
  <ADX_DATABASE>                the database; it needs streaming ingestion, on the cluster and by the KQL command
                                .alter database ['<ADX_DATABASE>'] policy streamingingestion enable
  <SCHEMA_REGISTRY_NAMESPACE>   the namespace of the schema registry
{schemas}
The identity of the Azure IoT Operations extension needs the role Ingestor on the database.
"""
_LOCAL_HEAD: Final = """
From the MQTT broker to Parquet files on a volume of the cluster: a directory for each kind of message.

Replace:
  <SCHEMA_REGISTRY_NAMESPACE>   the namespace of the schema registry
{schemas}"""
_SCHEMAS: Final = """
The schemas must be in the registry: register-schemas.sh of `python app.py export azure` registers them, and prints
their version. If it is different from the one here, generate this file again with --schema-version.
"""
_NOT_FOR_PRODUCTION: Final = """
Dataflows created with kubectl are for development and tests: Microsoft calls them preview, not for production, and
the Azure portal does not show them. `python app.py export azure` creates the same through Azure.
"""


def dataflow(export: Export) -> list[File]:
    """Dataflows to Fabric (Kafka endpoint), Azure Data Explorer and local storage, CloudEvents propagated.

    Three files, dataflow-fabric.yaml, dataflow-adx.yaml and dataflow-local.yaml, for operators. Tested against
    Microsoft's models of the API (azure-mgmt-iotoperations); never applied to a cluster.
    """
    explorer_head, local_head = (
        _EXPLORER_HEAD.format(table=TABLE, schemas=_SCHEMAS),
        _LOCAL_HEAD.format(schemas=_SCHEMAS),
    )
    return [
        _file("dataflow-fabric.yaml", _FABRIC_HEAD, _fabric(export)),
        _file("dataflow-adx.yaml", explorer_head, _explorer(export)),
        _file("dataflow-local.yaml", local_head, _local(export)),
    ]


def _file(name: str, head: str, documents: Iterable[Mapping[str, Any]]) -> File:
    return File(name, dump(*documents, head=heading(head + _NOT_FOR_PRODUCTION, "dataflow")))


def _fabric(export: Export) -> Iterable[dict[str, Any]]:
    name = resource_name(export.prefix, "fabric")
    kafka = {
        "host": "<FABRIC_BOOTSTRAP_SERVER>",
        "authentication": _IDENTITY,
        "tls": {"mode": "Enabled"},
        "copyMqttProperties": "Enabled",
        "cloudEventAttributes": "Propagate",
    }
    yield _endpoint(export, name, {"endpointType": "Kafka", "kafkaSettings": kafka})
    if filters := sorted({each for kind in export.kinds for each in export.topics.filters_of(kind)}):
        yield _flow(export, name, [_source(filters), _destination(name, "<FABRIC_TOPIC>")])


def _explorer(export: Export) -> Iterable[dict[str, Any]]:
    name = resource_name(export.prefix, "adx")
    explorer = {
        "host": "<ADX_CLUSTER>.<ADX_REGION>.kusto.windows.net",
        "database": "<ADX_DATABASE>",
        "authentication": _IDENTITY,
    }
    yield _endpoint(export, name, {"endpointType": "DataExplorer", "dataExplorerSettings": explorer})
    tables = table_names(export.kinds)
    yield from (_stored(export, kind, name, tables[kind.key]) for kind in export.kinds)


def _local(export: Export) -> Iterable[dict[str, Any]]:
    name = resource_name(export.prefix, "local")
    volume = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Gi"}}}
    about = metadata(export, name)
    yield {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": about, "spec": volume}
    settings = {"endpointType": "LocalStorage", "localStorageSettings": {"persistentVolumeClaimRef": name}}
    yield _endpoint(export, name, settings)
    yield from (_stored(export, kind, name, _directory(kind)) for kind in export.kinds)


def _stored(export: Export, kind: MessageKind, endpoint: str, destination: str) -> dict[str, Any]:
    """Return the dataflow of one kind to storage, which requires a schema."""
    name = schema_name(export, kind, "delta")
    transformation = {
        "serializationFormat": "Parquet",
        "schemaRef": f"aio-sr://<SCHEMA_REGISTRY_NAMESPACE>/{name}:{export.schema_version}",
        "map": _mapping(kind),
    }
    operations = [
        _source(export.topics.filters_of(kind)),
        {"operationType": "BuiltInTransformation", "builtInTransformationSettings": transformation},
        _destination(endpoint, destination),
    ]
    return _flow(export, resource_name(endpoint, kind.key), operations)


def _mapping(kind: MessageKind) -> list[dict[str, Any]]:
    """Return how values become columns: all by their keys; where there are objects, each by its place."""
    if all(field.json_type != "object" for field in kind.fields):
        return [{"type": "PassThrough", "inputs": ["*"], "output": "*"}]
    return [
        {"type": "Rename", "inputs": [_place(leaf.path)], "output": _place((name,))}
        for name, leaf in placed_columns(kind.fields).items()
    ]


def _place(path: Sequence[str]) -> str:
    """Return a place in the mapping language, in which a key with a dot or a space is quoted."""
    return ".".join(key if re.fullmatch(r"[\w-]+", key) else f'"{key}"' for key in path)


def _directory(kind: MessageKind) -> str:
    """Return the directory of a kind's files: its key, without the dot before a class."""
    return unique_name(kind.key) if kind.is_of_several else kind.key


def _source(filters: Iterable[str]) -> dict[str, Any]:
    settings = {"endpointRef": "default", "serializationFormat": "Json", "dataSources": [*filters]}
    return {"operationType": "Source", "sourceSettings": settings}


def _destination(endpoint: str, where: str) -> dict[str, Any]:
    return {"operationType": "Destination", "destinationSettings": {"endpointRef": endpoint, "dataDestination": where}}


def _endpoint(export: Export, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": API, "kind": "DataflowEndpoint", "metadata": metadata(export, name), "spec": spec}


def _flow(export: Export, name: str, operations: list[dict[str, Any]]) -> dict[str, Any]:
    spec = {"profileRef": "default", "mode": "Enabled", "operations": operations}
    return {"apiVersion": API, "kind": "Dataflow", "metadata": metadata(export, name), "spec": spec}
