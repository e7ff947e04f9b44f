#!/usr/bin/env bash
# Registers the factory with Azure Device Registry, by the Azure CLI and its extension azure-iot-ops:
#
#   INSTANCE=<INSTANCE> RESOURCE_GROUP=<RESOURCE_GROUP> CONNECTOR_VERSION=<CONNECTOR_VERSION> bash register-assets.sh
#
# Yours to fill in:
#   <INSTANCE>           the name of the Azure IoT Operations instance
#   <RESOURCE_GROUP>     the resource group it is in
#   <CONNECTOR_VERSION>  the version of the MQTT connector, needed only where the instance has no connector template for
#                        MQTT yet; the versions there are:
#                        curl https://mcr.microsoft.com/v2/azureiotoperations/akri-connectors/mqtt-metadata/tags/list
#
# Discovery is what Microsoft supports for MQTT: the connector reports each topic as it sees a message on it, and
# you import what it found. With --assets the script also makes all assets by command, without data points; Microsoft's
# pages say that the connector does not support that. What is there already is left as it is. The script has not been
# tried on a real instance.
#
# Made by `python app.py export assets` from the plant's YAML: change that, and make it anew.

DEVICE=factory-mqtt
ADDRESS=aio-broker:18883
TTL=3600
TYPE=Microsoft.Mqtt
TEMPLATE=mqtt-connector
METADATA=mcr.microsoft.com/azureiotoperations/akri-connectors/mqtt-metadata
TAGS=https://mcr.microsoft.com/v2/azureiotoperations/akri-connectors/mqtt-metadata/tags/list

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

# Whether `show` finds something. Only "not found" is an answer of no: what merely cannot be seen is not made anew.
there() {
  ops "$@" 2>"$files/complaint" && return
  grep -qiE 'not ?found|does not exist|could not be found' "$files/complaint" || fail "$(cat "$files/complaint")"
  return 1
}

# The precondition of all discovery.
template() {
  local found
  if ! known connector template create; then
    echo "warning: this azure-iot-ops knows no connector templates: without one for MQTT nothing is discovered." \
      "Add it in the Azure portal, or: az extension add --upgrade --name azure-iot-ops" >&2
    return
  fi
  found=$(ask connector template list --output tsv \
    --query "[?properties.deviceInboundEndpointTypes[?endpointType=='$TYPE']].name") || fail "cannot see the templates"
  if [ -n "$found" ]; then
    echo "connector template ${found//$'\n'/, } is there"
    return
  fi
  [ -n "${CONNECTOR_VERSION:-}" ] || fail "the instance has no connector template for MQTT: set CONNECTOR_VERSION \
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
    ops ns asset mqtt create --name "$1" --device "$DEVICE" --endpoint "$2" \
      --external-asset-id "$3" --display-name "$4" --model "$5"
    echo "asset $1 created"
  fi
}

# dataset ASSET TOPIC DESTINATION RETAIN
dataset() {
  if there ns asset mqtt dataset show --asset "$1" --name "$2"; then
    return
  fi
  ops ns asset mqtt dataset add --asset "$1" --name "$2" --data-source "$2" \
    --destination "topic=$3" qos=Qos1 "retain=$4" "ttl=$TTL"
}

# endpoint NAME CONFIGURATION FILTER PREFIX LEVEL
endpoint() {
  local found
  found=$(ask ns device show --name "$DEVICE" --output tsv \
    --query "keys(properties.endpoints.inbound || \`{}\`)") || fail "cannot see the endpoints of $DEVICE"
  if grep -qxF -e "$1" <<< "$found"; then
    echo "endpoint $1 is there; to change what it discovers, delete the device $DEVICE first"
    return
  fi
  if known ns device endpoint inbound apply; then
    printf '%s\n' "$2" > "$files/$1.json"
    ops ns device endpoint inbound apply --device "$DEVICE" --name "$1" --endpoint-address "$ADDRESS" \
      --connector-type "$TYPE" --endpoint-config "$files/$1.json"
    echo "endpoint $1 discovers $3, an asset for each name on level $5"
  else
    echo "warning: this azure-iot-ops has no \`endpoint inbound apply\`: endpoint $1 gets asset level 1 in place" \
      "of $5, so all that it discovers is one asset named ${3%%/*}. Better: az iot ops ns device delete" \
      "--name $DEVICE --instance $INSTANCE -g $RESOURCE_GROUP; az extension add --upgrade --name azure-iot-ops;" \
      "and run this again" >&2
    ops ns device endpoint inbound add mqtt --device "$DEVICE" --name "$1" --endpoint-address "$ADDRESS" \
      --topic-filter "$3" --topic-mapping-prefix "$4"
    echo "endpoint $1 discovers $3"
  fi
}

# Without this sync nothing that a connector discovers is seen in Azure. It may be run again.
az iot ops enable-rsync -n "$INSTANCE" -g "$RESOURCE_GROUP" --only-show-errors --output none
template

device
endpoint mqtt-1 '{"useBuiltInMqttBroker": true, "assetDiscoveryConfiguration": {"topicFilter": "factory/+", "assetLevel": 2, "topicMappingPrefix": "uns"}}' factory/+ uns 2

if [ "${1:-}" = --assets ]; then
  echo "warning: Microsoft's MQTT connector does not support assets made by command, only what it discovered" >&2
  asset factory-cnc-01 mqtt-1 CNC-01 'CNC-01 (CNC mill)' cnc_machine
  asset factory-cnc-02 mqtt-1 CNC-02 'CNC-02 (CNC mill)' cnc_machine
  asset factory-cnc-03 mqtt-1 CNC-03 'CNC-03 (CNC mill)' cnc_machine
  asset factory-cnc-04 mqtt-1 CNC-04 'CNC-04 (CNC mill)' cnc_machine
  asset factory-cnc-05 mqtt-1 CNC-05 'CNC-05 (CNC mill)' cnc_machine
  asset factory-cnc-machine mqtt-1 factory/cnc 'factory/cnc (CNC mill)' cnc_machine
  dataset factory-cnc-machine factory/cnc uns/factory/cnc Never
  asset factory-3dp-01 mqtt-1 3DP-01 '3DP-01 (3D printer)' printer_3d
  asset factory-3dp-02 mqtt-1 3DP-02 '3DP-02 (3D printer)' printer_3d
  asset factory-3dp-03 mqtt-1 3DP-03 '3DP-03 (3D printer)' printer_3d
  asset factory-3dp-04 mqtt-1 3DP-04 '3DP-04 (3D printer)' printer_3d
  asset factory-3dp-05 mqtt-1 3DP-05 '3DP-05 (3D printer)' printer_3d
  asset factory-3dp-06 mqtt-1 3DP-06 '3DP-06 (3D printer)' printer_3d
  asset factory-3dp-07 mqtt-1 3DP-07 '3DP-07 (3D printer)' printer_3d
  asset factory-3dp-08 mqtt-1 3DP-08 '3DP-08 (3D printer)' printer_3d
  asset factory-printer-3d mqtt-1 factory/3dprinter 'factory/3dprinter (3D printer)' printer_3d
  dataset factory-printer-3d factory/3dprinter uns/factory/3dprinter Never
  asset factory-weld-01 mqtt-1 WELD-01 'WELD-01 (welding station)' welding
  asset factory-weld-02 mqtt-1 WELD-02 'WELD-02 (welding station)' welding
  asset factory-weld-03 mqtt-1 WELD-03 'WELD-03 (welding station)' welding
  asset factory-weld-04 mqtt-1 WELD-04 'WELD-04 (welding station)' welding
  asset factory-welding mqtt-1 factory/welding 'factory/welding (welding station)' welding
  dataset factory-welding factory/welding uns/factory/welding Never
  asset factory-paint-01 mqtt-1 PAINT-01 'PAINT-01 (painting booth)' painting
  asset factory-paint-02 mqtt-1 PAINT-02 'PAINT-02 (painting booth)' painting
  asset factory-paint-03 mqtt-1 PAINT-03 'PAINT-03 (painting booth)' painting
  asset factory-painting mqtt-1 factory/painting 'factory/painting (painting booth)' painting
  dataset factory-painting factory/painting uns/factory/painting Never
  asset factory-test-01 mqtt-1 TEST-01 'TEST-01 (test rig)' testing
  asset factory-test-02 mqtt-1 TEST-02 'TEST-02 (test rig)' testing
  asset factory-testing mqtt-1 factory/testing 'factory/testing (test rig)' testing
  dataset factory-testing factory/testing uns/factory/testing Never
  asset factory-customer-order mqtt-1 factory/orders 'factory/orders (customer order)' customer_order
  dataset factory-customer-order factory/orders uns/factory/orders Never
  asset factory-dispatch mqtt-1 factory/dispatch 'factory/dispatch (dispatch)' dispatch
  dataset factory-dispatch factory/dispatch uns/factory/dispatch Never
fi
