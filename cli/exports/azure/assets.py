"""Target `assets`: the endpoint, device and assets of the factory, in every form of Azure IoT Operations."""

from __future__ import annotations

from cli.exports.azure.az_cli import commands
from cli.exports.azure.bicep import bicep
from cli.exports.azure.classic import classic
from cli.exports.azure.namespaced import namespaced
from cli.exports.common.export import Export, File


def assets(export: Export) -> list[File]:
    """Endpoint and assets for Azure IoT Operations: classic and namespaced YAML, Bicep, `az` commands.

    Six files for operators: mqtt-asset-endpoint.yaml, mqtt-asset-example.yaml, mqtt-device.yaml,
    mqtt-device-assets.yaml, assets.bicep and register-assets.sh. Tested against Microsoft's models of the API
    (azure-mgmt-deviceregistry, azure-mgmt-iotoperations); never sent to Azure.
    """
    return [*classic(export), *namespaced(export), *bicep(export), *commands(export)]
