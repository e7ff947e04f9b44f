"""The namespaced device and assets as a Bicep file, to create them through Azure."""

from __future__ import annotations

from typing import Any, Final

from cli.exports.azure.connector import TAGS, TEMPLATE, template
from cli.exports.azure.namespaced import asset_resources, device
from cli.exports.common.export import Export, File, commented
from cli.exports.common.names import heading

API_VERSION: Final = "2026-04-01"
"""Of Microsoft.DeviceRegistry: the newest that is generally available."""
FILE: Final = "assets.bicep"
OPERATIONS_VERSION: Final = "2026-07-01"
"""Of Microsoft.IoTOperations, likewise."""
MOST_ASSETS: Final = 798
"""In one deployment: Azure Resource Manager allows 800 resources, and device and template are two of them."""
_VERSION: Final = "${connectorVersion}"

_HEAD: Final = f"""
The factory's device in Azure Device Registry, with which the MQTT connector discovers its topics. Deploy it with

  az deployment group create -g <RESOURCE_GROUP> -f assets.bicep -p namespaceName=<ADR_NAMESPACE> \\
    customLocationId=<CUSTOM_LOCATION_ID> instanceName=<INSTANCE> connectorVersion=<CONNECTOR_VERSION>

Replace in that command:
  <RESOURCE_GROUP>      the resource group of the Azure IoT Operations instance
  <ADR_NAMESPACE>       the Azure Device Registry namespace that the instance refers to
  <CUSTOM_LOCATION_ID>  the resource id of the instance's custom location
  <INSTANCE>            the name of the instance
  <CONNECTOR_VERSION>   omit it if the instance has a connector template for MQTT; the available versions:
                        curl {TAGS}

Discovery requires the template. Prefer `az iot ops connector template create`, as in register-assets.sh, which reads
image and settings from Microsoft's metadata. Here name and tag of the image are inferred from those of the metadata;
there is no published example.

The assets are created only with withAssets=true, to view or adapt them: according to Microsoft's pages the MQTT
connector does not support manually created assets. Import the discovered ones instead.

Only its structure has been tested; it was never compiled or deployed. Run `az bicep build -f assets.bicep` first.
"""

_PARAMETERS: Final = f"""\
@description('Azure Device Registry namespace that the Azure IoT Operations instance refers to.')
param namespaceName string

@description('Resource id of the custom location of the Azure IoT Operations instance.')
param customLocationId string

@description('Name of the Azure IoT Operations instance.')
param instanceName string

@description('Version of the MQTT connector for a new connector template; empty: it exists already.')
param connectorVersion string = ''

@description('Azure region of the resources.')
param location string = resourceGroup().location

@description('Also create the assets, which the MQTT connector does not support.')
param withAssets bool = false

@description('Number of assets to skip: one deployment allows {MOST_ASSETS}, so a larger plant needs several.')
param first int = 0

var batch = take(skip(assets, first), {MOST_ASSETS})

var withTemplate = !empty(connectorVersion)

var extendedLocation = {{
  type: 'CustomLocation'
  name: customLocationId
}}
"""

_RESOURCES: Final = f"""\
resource instance 'Microsoft.IoTOperations/instances@{OPERATIONS_VERSION}' existing = {{
  name: instanceName
}}

resource template 'Microsoft.IoTOperations/instances/akriConnectorTemplates@{OPERATIONS_VERSION}' = if (withTemplate) {{
  parent: instance
  name: '{TEMPLATE}'
  extendedLocation: extendedLocation
  properties: connector
}}

resource registry 'Microsoft.DeviceRegistry/namespaces@{API_VERSION}' existing = {{
  name: namespaceName
}}

resource device 'Microsoft.DeviceRegistry/namespaces/devices@{API_VERSION}' = {{
  parent: registry
  name: factory.name
  location: location
  extendedLocation: extendedLocation
  properties: factory.properties
}}

resource asset 'Microsoft.DeviceRegistry/namespaces/assets@{API_VERSION}' = [for each in batch: if (withAssets) {{
  parent: registry
  name: each.name
  location: location
  extendedLocation: extendedLocation
  properties: each.properties
  dependsOn: [
    device
  ]
}}]
"""


def bicep(export: Export) -> list[File]:
    """Return assets.bicep with the connector template, the device and, with withAssets, all assets."""
    name, spec = device(export)
    assets = [{"name": asset.name, "properties": asset.spec} for asset in asset_resources(export)]
    comment = commented(heading(_HEAD, "assets"), "//")
    connector = literal(template(export, _VERSION)).replace("\\" + _VERSION, _VERSION)
    variables = f"var factory = {literal({'name': name, 'properties': spec})}\n\nvar assets = {literal(assets)}\n"
    variables += f"\nvar connector = {connector}\n"
    return [File(FILE, f"{comment}\n{_PARAMETERS}\n{variables}\n{_RESOURCES}")]


def literal(value: Any, indent: str = "") -> str:
    """Return a value in Bicep: objects and arrays over several lines, text in single quotes."""
    deeper = indent + "  "
    if isinstance(value, dict):
        lines = [f"{deeper}{_key(key)}: {literal(each, deeper)}" for key, each in value.items()]
        return "\n".join(("{", *lines, indent + "}")) if lines else "{}"
    if isinstance(value, list):
        lines = [f"{deeper}{literal(each, deeper)}" for each in value]
        return "\n".join(("[", *lines, indent + "]")) if lines else "[]"
    return str(value).lower() if isinstance(value, bool) else str(value) if isinstance(value, int) else _quoted(value)


def _key(name: str) -> str:
    return name if name.isidentifier() and name.isascii() else _quoted(name)


def _quoted(text: str) -> str:
    escapes = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    return "'" + "".join(escapes.get(character, character) for character in text).replace("${", "\\${") + "'"
