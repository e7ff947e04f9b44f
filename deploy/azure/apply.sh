#!/usr/bin/env bash
# Makes dataflows, broker rules and a listener through Azure, so that they show in the portal, by the Azure CLI and its
# extension azure-iot-ops:
#
#   RESOURCE_GROUP=<RESOURCE_GROUP> INSTANCE=<INSTANCE> ... bash apply.sh [--dry-run] [--replace] PART...
#
# PART is one or more of
#   fabric         FABRIC_BOOTSTRAP_SERVER and FABRIC_TOPIC, of the eventstream's custom endpoint
#   adx            ADX_CLUSTER, ADX_REGION, ADX_DATABASE; SCHEMA_REGISTRY, the name of the schema registry
#   local          SCHEMA_REGISTRY; the volume claim of `export dataflow` must be there, by kubectl
#   authorization  leave to publish the factory's topics; the service account must be annotated, by kubectl
#   listener       port 8884, on which these rules count
#   all            all of them
#
# Yours to fill in, as variables of the environment, those named above and:
#   <RESOURCE_GROUP>  the resource group of the instance; SCHEMA_RESOURCE_GROUP where the registry is in another
#   <INSTANCE>        the name of the Azure IoT Operations instance
#
# For adx and local it runs register-schemas.sh first and writes the version that this tells into the dataflows. It may be
# run again: what is there as wanted is left alone. What is there under one of its names but differs ends it before
# anything is changed, as it may be another's: see it with the command that is printed, then say --replace, such as after
# an edit of the plant. No other resource is touched, and none is deleted.
# --dry-run asks what is there, and prints the commands in place of running them.
#
# Exit codes: 0 done; 2 wrong usage; 3 no az or python3; 4 no extension, or an old one; 5 az refused; 6 a value is
# missing; 7 something there differs. It was tried against a scripted az only, never on a real instance.
#
# Made by `python app.py export azure` from the plant's YAML: change that, and make it anew.

set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
said=$(mktemp -d)
trap 'rm -rf "$said"' EXIT

fail() { local code=$1; shift; printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit "$code"; }
usage() { sed -n '2,/^$/s/^# \{0,1\}//p' "$0"; }

# ask WORDS...: what az answers; its error is the end, but for where something is not there (then 3).
ask() {
  if az iot ops "$@" --only-show-errors </dev/null 2>"$said/error"; then return 0; fi
  if grep -qiE 'notfound|not found|does not exist' "$said/error"; then return 3; fi
  fail 5 "az iot ops $1 $2 $3: $(tr '\n' ' ' <"$said/error")"
}

# change WORDS...: what az is to do, or how it would be told to.
change() {
  if [ "$dry" = yes ]; then
    printf 'would run: az iot ops'
    printf ' %q' "$@"
    echo
    return 0
  fi
  az iot ops "$@" --only-show-errors --output none </dev/null 2>"$said/error" ||
    fail 5 "az iot ops $1 $2 $3: $(tr '\n' ' ' <"$said/error")"
}

# able WORDS...: az and its extension are there, and know a command.
able() {
  command -v az >/dev/null || fail 3 "az is not on the PATH; next: https://learn.microsoft.com/cli/azure/install-azure-cli"
  az extension show --name azure-iot-ops --output none </dev/null >/dev/null 2>&1 ||
    fail 4 "az has no extension azure-iot-ops; next: az extension add --name azure-iot-ops"
  az iot ops "$@" --help </dev/null >/dev/null 2>&1 ||
    fail 4 "the extension azure-iot-ops does not know: $*; next: az extension update --name azure-iot-ops"
}

MARKS='FABRIC_BOOTSTRAP_SERVER|FABRIC_TOPIC|ADX_CLUSTER|ADX_REGION|ADX_DATABASE|SCHEMA_REGISTRY_NAMESPACE'
RESOURCES='authorization BrokerAuthorization edgemqttsim config/brokerauthorization-edgemqttsim.json
listener BrokerListener edgemqttsim-test config/brokerlistener-edgemqttsim-test.json
fabric DataflowEndpoint factory-fabric config/dataflowendpoint-factory-fabric.json
fabric Dataflow factory-fabric config/dataflow-factory-fabric.json
adx DataflowEndpoint factory-adx config/dataflowendpoint-factory-adx.json
adx Dataflow factory-adx-cnc-machine config/dataflow-factory-adx-cnc-machine.json
adx Dataflow factory-adx-printer-3d config/dataflow-factory-adx-printer-3d.json
adx Dataflow factory-adx-welding config/dataflow-factory-adx-welding.json
adx Dataflow factory-adx-painting config/dataflow-factory-adx-painting.json
adx Dataflow factory-adx-testing config/dataflow-factory-adx-testing.json
adx Dataflow factory-adx-customer-order config/dataflow-factory-adx-customer-order.json
adx Dataflow factory-adx-dispatch config/dataflow-factory-adx-dispatch.json
local DataflowEndpoint factory-local config/dataflowendpoint-factory-local.json
local Dataflow factory-local-cnc-machine config/dataflow-factory-local-cnc-machine.json
local Dataflow factory-local-printer-3d config/dataflow-factory-local-printer-3d.json
local Dataflow factory-local-welding config/dataflow-factory-local-welding.json
local Dataflow factory-local-painting config/dataflow-factory-local-painting.json
local Dataflow factory-local-testing config/dataflow-factory-local-testing.json
local Dataflow factory-local-customer-order config/dataflow-factory-local-customer-order.json
local Dataflow factory-local-dispatch config/dataflow-factory-local-dispatch.json'

dry=no replace=no chosen=' '
for word in "$@"; do
  case "$word" in
    --dry-run) dry=yes ;;
    --replace) replace=yes ;;
    -h | --help) usage; exit 0 ;;
    fabric | adx | local | authorization | listener) chosen="$chosen$word " ;;
    all) chosen=' fabric adx local authorization listener ' ;;
    *) fail 2 "unknown: $word; next: bash $0 --help" ;;
  esac
done
[ "$chosen" != ' ' ] || fail 2 "say which part: fabric, adx, local, authorization, listener, or all"
[ -n "${RESOURCE_GROUP:-}" ] || fail 2 "set RESOURCE_GROUP to the resource group of the instance"
[ -n "${INSTANCE:-}" ] || fail 2 "set INSTANCE to the name of the Azure IoT Operations instance"
instance=(--instance "$INSTANCE" --resource-group "$RESOURCE_GROUP")
command -v python3 >/dev/null || fail 3 "python3 is not on the PATH; it fills in and compares"
able dataflow apply
able broker authz apply
ask show --name "$INSTANCE" --resource-group "$RESOURCE_GROUP" --output none ||
  fail 5 "there is no instance $INSTANCE in $RESOURCE_GROUP"

# filled FILE: the properties with values in place of <NAMES>, and the version in references to schemas.
filled() {
  version=$version python3 -IS -c '
import json, os, re, sys

def value(match):
    name = match[1]
    if not os.environ.get(name):
        missing.add(name)
    return os.environ.get(name, "")

def fill(what):
    if isinstance(what, dict):
        return {key: fill(each) for key, each in what.items()}
    if isinstance(what, list):
        return [fill(each) for each in what]
    if not isinstance(what, str):
        return what
    reference = re.sub(r"^(aio-sr://.*):[0-9]+$", r"\g<1>:" + os.environ["version"], what)
    return re.sub(r"<(" + marks + r")>", value, reference)

missing, marks = set(), sys.argv[2]
with open(sys.argv[1], encoding="utf-8") as file:
    filled = fill(json.load(file))
if missing:
    sys.exit(" ".join(sorted(missing)))
print(json.dumps(filled, ensure_ascii=False, indent=2))
' "$1" "$MARKS"
}

# same WANTED FOUND: whether what is there has all that is wanted; the service adds defaults of its own.
same() {
  python3 -IS -c '
import json, sys

def within(wanted, found):
    if isinstance(wanted, dict):
        inside = (key in found and within(each, found[key]) for key, each in wanted.items())
        return isinstance(found, dict) and all(inside)
    if isinstance(wanted, list):
        return isinstance(found, list) and len(wanted) == len(found) and all(map(within, wanted, found))
    return wanted == found

wanted, found = (json.load(open(name, encoding="utf-8")) for name in sys.argv[1:])
sys.exit(0 if within(wanted, found.get("properties")) else 1)
' "$1" "$2"
}

# command KIND: into $words, how az calls what Kubernetes calls so, and into $parent, where it belongs.
command_of() {
  case "$1" in
    Dataflow) words=(dataflow) parent=(--profile default) ;;
    DataflowEndpoint) words=(dataflow endpoint) parent=() ;;
    BrokerAuthorization) words=(broker authz) parent=(--broker default) ;;
    BrokerListener) words=(broker listener) parent=(--broker default) ;;
  esac
}

# wanted PART: whether it was asked for.
wanted() { case "$chosen" in *" $1 "*) return 0 ;; *) return 1 ;; esac; }

version=1
if wanted adx || wanted local; then
  [ -n "${SCHEMA_REGISTRY:-}" ] || fail 6 "set SCHEMA_REGISTRY to the name of the schema registry"
  schema_group=${SCHEMA_RESOURCE_GROUP:-$RESOURCE_GROUP}
  ask schema registry show --name "$SCHEMA_REGISTRY" --resource-group "$schema_group" \
    --query properties.namespace --output tsv >"$said/namespace" ||
    fail 5 "there is no schema registry $SCHEMA_REGISTRY in $schema_group"
  SCHEMA_REGISTRY_NAMESPACE=$(cat "$said/namespace")
  export SCHEMA_REGISTRY SCHEMA_REGISTRY_NAMESPACE
  # What would be said of the schemas tells their version, so that all else can be looked at before they are made.
  version=$(RESOURCE_GROUP=$schema_group bash "$here/register-schemas.sh" --dry-run | sed -n 's/^schema version: //p')
fi

missing=''
while read -r part kind name file; do
  wanted "$part" || continue
  filled "$here/$file" >"$said/$kind-$name" 2>"$said/missing" || missing="$missing $(cat "$said/missing")"
done <<<"$RESOURCES"
[ -z "$missing" ] || fail 6 "set $(tr ' ' '\n' <<<"${missing# }" | sort -u | tr '\n' ' ')for:$chosen"

differs=''
while read -r part kind name _; do
  wanted "$part" || continue
  command_of "$kind"
  show=("${words[@]}" show --name "$name" "${parent[@]+"${parent[@]}"}" "${instance[@]}")
  state=0
  ask "${show[@]}" --output json >"$said/found" || state=$?
  case "$state" in
    0) if same "$said/$kind-$name" "$said/found"; then echo there; else echo differs; fi >"$said/state-$kind-$name" ;;
    3) echo missing >"$said/state-$kind-$name" ;;
    *) exit "$state" ;;
  esac
  if [ "$(cat "$said/state-$kind-$name")" = differs ] && [ "$replace" = no ]; then
    differs=yes
    echo "$kind $name is there and differs; see it: az iot ops ${show[*]}" >&2
  fi
done <<<"$RESOURCES"
[ -z "$differs" ] || fail 7 "nothing was changed; where these are yours to replace, add --replace"

if wanted adx || wanted local; then
  flag=()
  [ "$dry" = no ] || flag=(--dry-run)
  RESOURCE_GROUP=$schema_group bash "$here/register-schemas.sh" "${flag[@]+"${flag[@]}"}"
fi
while read -r part kind name _; do
  wanted "$part" || continue
  if [ "$(cat "$said/state-$kind-$name")" = there ]; then
    echo "$kind $name: there"
    continue
  fi
  command_of "$kind"
  change "${words[@]}" apply --name "$name" "${parent[@]+"${parent[@]}"}" "${instance[@]}" \
    --config-file "$said/$kind-$name"
  [ "$dry" = yes ] || echo "$kind $name: applied"
done <<<"$RESOURCES"
[ "$dry" = no ] || echo "nothing was changed"
