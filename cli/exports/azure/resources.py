"""Target `azure`: schemas, dataflows, authorization and listener created through Azure, by Bicep or `az` commands.

Their content is read back from the Kubernetes manifests, so the two cannot differ.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import yaml

from cli.exports.azure.authorization import authorization
from cli.exports.azure.bicep import literal
from cli.exports.azure.dataflow import dataflow
from cli.exports.azure.scripts import apply_script, register_script
from cli.exports.common.export import Export, File, commented, json_file
from cli.exports.common.names import heading
from cli.exports.schemas.json_schema import DELTA, delta, draft, schema_name
from plant.catalogue.catalogue import MessageKind

REGISTRY_API: Final = "2026-04-01"
"""Of Microsoft.DeviceRegistry: the newest that is generally available."""
OPERATIONS_API: Final = "2026-07-01"
"""Of Microsoft.IoTOperations."""
FORMATS: Final = {"json": "JsonSchema/draft-07", "delta": DELTA}
"""Name of a format in `az` commands -> name in the registry."""

_PARENT_REFERENCES: Final = frozenset({"profileRef", "brokerRef"})
"""Keys of a manifest's spec that the parent of the resource replaces in Azure."""

_SCHEMAS_HEAD: Final = """
The schemas of the factory's messages in the schema registry, JSON Schema and Delta. Deploy it with

  az deployment group create -g <RESOURCE_GROUP> -f schemas.bicep -p registryName=<SCHEMA_REGISTRY>

Replace in that command:
  <RESOURCE_GROUP>   the resource group of the schema registry
  <SCHEMA_REGISTRY>  its name

The content of a version cannot be changed. After an edit of the plant, generate this file again with the next number:
`python app.py export azure --schema-version 2`. register-schemas.sh determines the number by itself.

Only its structure has been tested; it was never compiled or deployed. Run `az bicep build -f schemas.bicep` first.
"""
_VERSIONS: Final = "Microsoft.DeviceRegistry/schemaRegistries/schemas/schemaVersions"
_SCHEMAS_RESOURCES: Final = f"""\
resource registry 'Microsoft.DeviceRegistry/schemaRegistries@{REGISTRY_API}' existing = {{
  name: registryName
}}

resource schema 'Microsoft.DeviceRegistry/schemaRegistries/schemas@{REGISTRY_API}' = [for each in schemas: {{
  parent: registry
  name: each.name
  properties: {{
    format: each.format
    schemaType: 'MessageSchema'
  }}
}}]

resource version '{_VERSIONS}@{REGISTRY_API}' = [for (each, i) in schemas: {{
  parent: schema[i]
  name: schemaVersion
  properties: {{
    description: each.description
    schemaContent: each.content
  }}
}}]
"""

_FLOWS_HEAD: Final = """
Dataflows of the factory's messages, broker rules and a listener to test them. Deploy it with

  az deployment group create -g <RESOURCE_GROUP> -f dataflow.bicep -p instanceName=<INSTANCE> \\
    customLocationId=<CUSTOM_LOCATION_ID> parts="['fabric']" fabricBootstrapServer=... fabricTopic=...

Replace in that command:
  <RESOURCE_GROUP>      the resource group of the Azure IoT Operations instance
  <INSTANCE>            its name
  <CUSTOM_LOCATION_ID>  the resource id of its custom location

parts: any of fabric, adx, local, authorization, listener. adx and local require the schemas of schemas.bicep; local, a
PersistentVolumeClaim with the name in localStorageSettings; authorization, the annotated service account of
deploy/overlays/authorization; listener, authorization in the same deployment or an earlier one.

Only its structure has been tested; it was never compiled or deployed. Run `az bicep build -f dataflow.bicep` first.
"""

PARAMETERS: Final = {
    "FABRIC_BOOTSTRAP_SERVER": ("fabricBootstrapServer", "Eventstream's custom endpoint, with its port 9093."),
    "FABRIC_TOPIC": ("fabricTopic", "Its topic name, es_..."),
    "ADX_CLUSTER": ("adxCluster", "Azure Data Explorer cluster."),
    "ADX_REGION": ("adxRegion", "Region of that cluster, as its host name has it."),
    "ADX_DATABASE": ("adxDatabase", "Database of that cluster."),
    "SCHEMA_REGISTRY_NAMESPACE": ("schemaRegistryNamespace", "Namespace of the schema registry (not its name)."),
}
"""Placeholder of a value that only the user has -> parameter of the Bicep file, and its description."""


class Schema(NamedTuple):
    """A schema in the registry: name, format by `az`'s name, text."""

    name: str
    format: str
    text: str

    @property
    def description(self) -> str:
        """The digest that identifies a version, as the service may reformat the content."""
        return f"sha256:{hashlib.sha256(self.text.encode()).hexdigest()[:32]}"


class AzureResource(NamedTuple):
    """A resource: the part of the export it belongs to, its kind in Kubernetes, its name and properties."""

    part: str
    kind: str
    name: str
    properties: dict[str, Any]

    @property
    def file(self) -> str:
        """The file of its properties, for `az ... apply --config-file`."""
        return f"config/{self.kind.lower()}-{self.name}.json"


def azure(export: Export) -> list[File]:
    """Schemas, dataflows, authorization and listener through Azure: Bicep, and scripts of `az` commands.

    Two scripts (azure/register-schemas.sh, azure/apply.sh), two Bicep files (azure/schemas.bicep, azure/dataflow.bicep)
    and the JSON that they use, for operators. Tested against the manifests and with a stand-in for `az`; never run on
    Azure.
    """
    schemas, found = schemas_of(export), azure_resources(export)
    rows = [(each.name, each.format, FORMATS[each.format], each.description) for each in schemas]
    lines = [(each.part, each.kind, each.name, each.file) for each in found]
    return [
        File("azure/register-schemas.sh", register_script(rows)),
        File("azure/apply.sh", apply_script(lines, [*PARAMETERS])),
        File("azure/schemas.bicep", _schemas_bicep(export, schemas)),
        File("azure/dataflow.bicep", _flows_bicep(found)),
        *(File(f"azure/schemas/{each.name}.json", each.text) for each in schemas),
        *(json_file(f"azure/{each.file}", each.properties) for each in found),
    ]


def schemas_of(export: Export) -> list[Schema]:
    """Return both schemas of each kind of message."""
    return [each for kind in export.kinds for each in _both(export, kind)]


def _both(export: Export, kind: MessageKind) -> Iterator[Schema]:
    for format_name, content in (("json", draft(kind)), ("delta", delta(kind))):
        name = schema_name(export, kind, format_name)
        yield Schema(name, format_name, json_file("", content).text)


def azure_resources(export: Export) -> list[AzureResource]:
    """Return all resources of Azure IoT Operations in the manifests, each after those that it refers to."""
    files = {file.name: file.text for file in (*dataflow(export), *authorization(export))}
    named = {"authorization": "authorization.yaml", "listener": "test-listener.yaml"}
    named |= {part: f"dataflow-{part}.yaml" for part in ("fabric", "adx", "local")}
    return [each for part, name in named.items() for each in _parts(part, files[name])]


def _parts(part: str, text: str) -> Iterator[AzureResource]:
    for document in yaml.load_all(text, Loader=yaml.CSafeLoader):
        if "iotoperations.azure.com/" in document["apiVersion"]:
            properties = {key: value for key, value in document["spec"].items() if key not in _PARENT_REFERENCES}
            yield AzureResource(part, document["kind"], document["metadata"]["name"], properties)


def _schemas_bicep(export: Export, schemas: list[Schema]) -> str:
    found = [
        {"name": each.name, "format": FORMATS[each.format], "description": each.description, "content": each.text}
        for each in schemas
    ]
    parameters = [
        _parameter("registryName", "Schema registry.", ""),
        _parameter("schemaVersion", "Version of all schemas.", f" = '{export.schema_version}'"),
    ]
    comment = commented(heading(_SCHEMAS_HEAD, "azure"), "//")
    return "\n".join((comment, *parameters, f"var schemas = {literal(found)}\n", _SCHEMAS_RESOURCES))


def _flows_bicep(found: list[AzureResource]) -> str:
    parameters = [
        _parameter("instanceName", "Azure IoT Operations instance.", ""),
        _parameter("customLocationId", "Resource id of the custom location of the instance.", ""),
        "@description('What to create: any of fabric, adx, local, authorization, listener.')\nparam parts array\n",
        *(_parameter(name, about, " = ''") for name, about in PARAMETERS.values()),
    ]
    location = "var extendedLocation = {\n  type: 'CustomLocation'\n  name: customLocationId\n}\n"
    variables = [_variable(name, kind, found) for kind, (name, _, _) in _RESOURCES.items()]
    resources = [_resource(*each) for each in _RESOURCES.values()]
    comment = commented(heading(_FLOWS_HEAD, "azure"), "//")
    return "\n".join((comment, *parameters, location, *variables, _PARENTS, *resources))


def _parameter(name: str, about: str, default: str) -> str:
    return f"@description({literal(about)})\nparam {name} string{default}\n"


def _variable(name: str, kind: str, found: list[AzureResource]) -> str:
    mine = [
        {"part": each.part, "name": each.name, "properties": each.properties} for each in found if each.kind == kind
    ]
    return f"var {name}s = {literal(mine)}\n"


_PARENTS: Final = f"""\
resource instance 'Microsoft.IoTOperations/instances@{OPERATIONS_API}' existing = {{
  name: instanceName
}}

resource broker 'Microsoft.IoTOperations/instances/brokers@{OPERATIONS_API}' existing = {{
  parent: instance
  name: 'default'
}}

resource profile 'Microsoft.IoTOperations/instances/dataflowProfiles@{OPERATIONS_API}' existing = {{
  parent: instance
  name: 'default'
}}
"""
_RESOURCES: Final = {
    "BrokerAuthorization": ("authorization", "brokers/authorizations", ("broker", "")),
    "BrokerListener": ("listener", "brokers/listeners", ("broker", "authorization")),
    "DataflowEndpoint": ("endpoint", "dataflowEndpoints", ("instance", "")),
    "Dataflow": ("flow", "dataflowProfiles/dataflows", ("profile", "endpoint")),
}
"""Kind in Kubernetes -> name in the Bicep file, resource type, its parent and its dependency."""


def _resource(name: str, kind: str, around: tuple[str, str]) -> str:
    parent, before = around
    whole = f"Microsoft.IoTOperations/instances/{kind}@{OPERATIONS_API}"
    lines = [
        f"resource {name} '{whole}' = [for each in {name}s: if (contains(parts, each.part)) {{",
        f"  parent: {parent}",
        "  name: each.name",
        "  extendedLocation: extendedLocation",
        f"  properties: {_with_parameters()}",
        *(["  dependsOn: [", f"    {before}", "  ]"] if before else []),
        "}]\n",
    ]
    return "\n".join(lines)


def _with_parameters() -> str:
    """Return the Bicep expression that replaces the placeholders in the properties by the parameters."""
    text = "string(each.properties)"
    for mark, (name, _) in PARAMETERS.items():
        text = f"replace({text}, '<{mark}>', {name})"
    return f"json({text})"
