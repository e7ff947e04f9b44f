"""The connector template, by which an instance of Azure IoT Operations runs the MQTT connector."""

from __future__ import annotations

from typing import Any, Final

from cli.exports.azure.namespaced import ENDPOINT_TYPE, address
from cli.exports.common.export import Export

TEMPLATE: Final = "mqtt-connector"
IMAGE: Final = "azureiotoperations/akri-connectors/mqtt"
METADATA: Final = f"mcr.microsoft.com/{IMAGE}-metadata"
"""Microsoft's metadata of the connector; its tags are the connector's versions."""
TAGS: Final = f"https://{METADATA.replace('/', '/v2/', 1)}/tags/list"
"""The list of versions."""


def template(export: Export, version: str) -> dict[str, Any]:
    """Return the template's properties for a version of the connector: image, endpoint type, connection to the broker.

    Microsoft has published no example: name and tag of the image are inferred from those of the metadata.
    """
    registry = {
        "registrySettingsType": "ContainerRegistry",
        "containerRegistrySettings": {"registry": "mcr.microsoft.com"},
    }
    image = {
        "imageName": IMAGE,
        "registrySettings": registry,
        "tagDigestSettings": {"tagDigestType": "Tag", "tag": version},
        "replicas": 1,
    }
    managed = {
        "managedConfigurationType": "ImageConfiguration",
        "imageConfigurationSettings": image,
        "allocation": {"policy": "Bucketized", "bucketSize": 1},
    }
    login = {"method": "ServiceAccountToken", "serviceAccountTokenSettings": {"audience": "aio-internal"}}
    trusted = {"mode": "Enabled", "trustedCaCertificateConfigMapRef": "azure-iot-operations-aio-ca-trust-bundle"}
    return {
        "connectorMetadataRef": f"{METADATA}:{version}",
        "deviceInboundEndpointTypes": [{"endpointType": ENDPOINT_TYPE}],
        "runtimeConfiguration": {
            "runtimeConfigurationType": "ManagedConfiguration",
            "managedConfigurationSettings": managed,
        },
        "mqttConnectionConfiguration": {"host": address(export), "authentication": login, "tls": trusted},
        "diagnostics": {"logs": {"level": "info"}},
    }
