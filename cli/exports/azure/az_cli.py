"""The shell script of `az iot ops` commands that registers the factory with Azure."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from typing import Final

from cli.exports.azure.connector import METADATA, TAGS, TEMPLATE
from cli.exports.azure.namespaced import (
    ENDPOINT_TYPE,
    EXPIRY_SECONDS,
    RegistryResource,
    address,
    asset_resources,
    configuration,
    device,
)
from cli.exports.azure.topic_entries import DiscoveryEndpoint, discovery_endpoints, mapping_prefix
from cli.exports.common.export import Export, File, commented
from cli.exports.common.names import heading

FILE: Final = "register-assets.sh"

_HEAD: Final = f"""
Registers the factory with Azure Device Registry, by the Azure CLI and its extension azure-iot-ops:

  INSTANCE=<INSTANCE> RESOURCE_GROUP=<RESOURCE_GROUP> CONNECTOR_VERSION=<CONNECTOR_VERSION> bash register-assets.sh

Replace:
  <INSTANCE>           the name of the Azure IoT Operations instance
  <RESOURCE_GROUP>     the resource group it is in
  <CONNECTOR_VERSION>  the version of the MQTT connector, needed only if the instance has no connector template for
                       MQTT yet; the available versions:
                       curl {TAGS}

Microsoft supports discovery for MQTT: the connector reports each topic when it receives a message on it, and you import
the discovered assets. With --assets the script also creates all assets, without data points; according to Microsoft's
pages the connector does not support that. Existing resources are not changed. The script has not been tested on a real
instance.
"""

_FUNCTIONS: Final = """\
set -euo pipefail

: "${INSTANCE:?set INSTANCE to the name of the Azure IoT Operations instance}"
: "${RESOURCE_GROUP:?set RESOURCE_GROUP to the resource group of the instance}"
case "${1:-}" in
  "" | --assets) ;;
  *) echo "usage: INSTANCE=... RESOURCE_GROUP=... bash register-assets.sh [--assets]" >&2; exit 2 ;;
esac

files=$(mktemp -d)
trap 'rm -rf "$files"' EXIT

fail() {
  echo "register-assets.sh: $1" >&2
  exit 1
}

ask() { az iot ops "$@" --instance "$INSTANCE" -g "$RESOURCE_GROUP" --only-show-errors; }
ops() { ask "$@" --output none; }
known() { az iot ops "$@" --help >/dev/null 2>&1; }

# Whether `show` finds a resource. Only "not found" means no: what cannot be read is not created again.
there() {
  ops "$@" 2>"$files/complaint" && return
  grep -qiE 'not ?found|does not exist|could not be found' "$files/complaint" || fail "$(cat "$files/complaint")"
  return 1
}

# Discovery requires a connector template.
template() {
  local found
  if ! known connector template create; then
    echo "warning: this azure-iot-ops knows no connector templates: without one for MQTT nothing is discovered." \\
      "Add it in the Azure portal, or: az extension add --upgrade --name azure-iot-ops" >&2
    return
  fi
  found=$(ask connector template list --output tsv \\
    --query "[?properties.deviceInboundEndpointTypes[?endpointType=='$TYPE']].name") || fail "cannot see the templates"
  if [ -n "$found" ]; then
    echo "connector template ${found//$'\\n'/, } is there"
    return
  fi
  [ -n "${CONNECTOR_VERSION:-}" ] || fail "the instance has no connector template for MQTT: set CONNECTOR_VERSION \\
to one of curl $TAGS"
  ops connector template create --name "$TEMPLATE" --connector-metadata-ref "$METADATA:$CONNECTOR_VERSION"
  echo "connector template $TEMPLATE created"
}

device() {
  if there ns device show --name "$DEVICE"; then
    echo "device $DEVICE is there"
  else
    ops ns device create --name "$DEVICE"
    echo "device $DEVICE created"
  fi
}

# asset NAME ENDPOINT EXTERNAL_ID DISPLAY_NAME MODEL
asset() {
  if there ns asset show --name "$1"; then
    echo "asset $1 is there"
  else
    ops ns asset mqtt create --name "$1" --device "$DEVICE" --endpoint "$2" \\
      --external-asset-id "$3" --display-name "$4" --model "$5"
    echo "asset $1 created"
  fi
}

# dataset ASSET TOPIC DESTINATION RETAIN
dataset() {
  if there ns asset mqtt dataset show --asset "$1" --name "$2"; then
    return
  fi
  ops ns asset mqtt dataset add --asset "$1" --name "$2" --data-source "$2" \\
    --destination "topic=$3" qos=Qos1 "retain=$4" "ttl=$TTL"
}

# endpoint NAME CONFIGURATION FILTER PREFIX LEVEL
endpoint() {
  local found
  found=$(ask ns device show --name "$DEVICE" --output tsv \\
    --query "keys(properties.endpoints.inbound || \\`{}\\`)") || fail "cannot see the endpoints of $DEVICE"
  if grep -qxF -e "$1" <<< "$found"; then
    echo "endpoint $1 is there; to change what it discovers, delete the device $DEVICE first"
    return
  fi
  if known ns device endpoint inbound apply; then
    printf '%s\\n' "$2" > "$files/$1.json"
    ops ns device endpoint inbound apply --device "$DEVICE" --name "$1" --endpoint-address "$ADDRESS" \\
      --connector-type "$TYPE" --endpoint-config "$files/$1.json"
    echo "endpoint $1 discovers $3, an asset for each name on level $5"
  else
    echo "warning: this azure-iot-ops has no \\`endpoint inbound apply\\`: endpoint $1 gets asset level 1 in place" \\
      "of $5, so all that it discovers is one asset named ${3%%/*}. Better: az iot ops ns device delete" \\
      "--name $DEVICE --instance $INSTANCE -g $RESOURCE_GROUP; az extension add --upgrade --name azure-iot-ops;" \\
      "and run this again" >&2
    ops ns device endpoint inbound add mqtt --device "$DEVICE" --name "$1" --endpoint-address "$ADDRESS" \\
      --topic-filter "$3" --topic-mapping-prefix "$4"
    echo "endpoint $1 discovers $3"
  fi
}
"""

_SYNC: Final = """\
# Without this sync Azure shows nothing that a connector discovers. It can be run again.
az iot ops enable-rsync -n "$INSTANCE" -g "$RESOURCE_GROUP" --only-show-errors --output none
template
"""

_UNSUPPORTED: Final = """\
  echo "warning: Microsoft's MQTT connector does not support assets made by command, only what it discovered" >&2
"""


def commands(export: Export) -> list[File]:
    """Return register-assets.sh: sync, connector template, device and endpoints; with --assets every asset."""
    values = {"DEVICE": device(export).name, "ADDRESS": address(export), "TTL": str(EXPIRY_SECONDS)}
    values |= {"TYPE": ENDPOINT_TYPE, "TEMPLATE": TEMPLATE, "METADATA": METADATA, "TAGS": TAGS}
    variables = "".join(f"{name}={_word(value)}\n" for name, value in values.items())
    comment = commented(heading(_HEAD, "assets"))
    parts = (
        "#!/usr/bin/env bash\n" + comment,
        variables + "\n" + _FUNCTIONS,
        _SYNC,
        _device_lines(export),
        _asset_lines(export),
    )
    return [File(FILE, "\n".join(parts))]


def _device_lines(export: Export) -> str:
    return "\n".join(("device", *(_endpoint(export, each) for each in discovery_endpoints(export)))) + "\n"


def _endpoint(export: Export, found: DiscoveryEndpoint) -> str:
    whole = json.dumps(configuration(export, found), ensure_ascii=False)
    words = (found.name, whole, found.topic_filter, mapping_prefix(export), str(found.asset_level))
    return "endpoint " + " ".join(map(_word, words))


def _asset_lines(export: Export) -> str:
    lines = (line for resource in asset_resources(export) for line in _asset(resource))
    return "\n".join(('if [ "${1:-}" = --assets ]; then', _UNSUPPORTED.rstrip("\n"), *lines, "fi")) + "\n"


def _asset(resource: RegistryResource) -> Iterator[str]:
    spec = resource.spec
    about = (spec["deviceRef"]["endpointName"], spec["externalAssetId"], spec["displayName"], spec["model"])
    yield "  asset " + " ".join(map(_word, (resource.name, *about)))
    for dataset in spec.get("datasets", ()):
        target = dataset["destinations"][0]["configuration"]
        words = (resource.name, dataset["dataSource"], target["topic"], target["retain"])
        yield "  dataset " + " ".join(map(_word, words))


def _word(text: str) -> str:
    return shlex.quote(text)
