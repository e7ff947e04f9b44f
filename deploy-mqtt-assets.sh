#!/usr/bin/env bash
# Puts the factory's endpoint and assets into a cluster with Azure IoT Operations, and says what is missing there.
# `bash deploy-mqtt-assets.sh --help` tells of options and exit codes; docs/assets.md of what comes of it.
set -uo pipefail

usage() {
  cat <<'TEXT'
usage: bash deploy-mqtt-assets.sh [--namespaced] [--namespace N] [--dir DIR] [--ca NAME] [--dry-run] [--wait S]

  --namespaced   Device and Assets of the model that Azure IoT Operations 1.2 brought, instead of the classic
                 AssetEndpointProfile and Assets
  --namespace N  Kubernetes namespace of Azure IoT Operations [azure-iot-operations]
  --dir DIR      where the files are that `python app.py export assets --output DIR` has made
                 [the default plant's: classic beside this script, namespaced in deploy/assets]
  --ca NAME      ConfigMap with the broker's CA bundle [azure-iot-operations-aio-ca-trust-bundle]
  --dry-run      check everything and have the cluster check the resources, but change nothing
  --wait S       seconds to wait until something in the cluster has taken the resources up; 0: not at all
                 [60 with --namespaced, else 0: no connector of Azure IoT Operations reads the classic ones]
  --help         this

Exit codes:
   0  done                              8  no service of the broker
   2  wrong arguments                   9  no CA bundle
   3  a file is missing                10  the cluster refused a resource
   4  no kubectl                       11  a resource is gone after it was applied
   5  the cluster does not answer      12  nothing took the resources up in time
   6  no such namespace                13  the cluster does not let us look
   7  no definition of a resource
TEXT
}

wrong() { # WHAT: wrong arguments
  echo "error: $1" >&2
  usage >&2
  exit 2
}

fail() { # CODE WHAT NEXT
  printf 'error: %s\nnext:  %s\n' "$2" "$3" >&2
  exit "$1"
}

kube() { kubectl --request-timeout=15s "$@"; }

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
model=classic namespace=azure-iot-operations ca=azure-iot-operations-aio-ca-trust-bundle
wait_seconds="" directory="" dry_run=""
# What kubectl complains of beside its answer, such as an API that does not answer, must not be taken for the answer.
complaints=$(mktemp) || fail 3 "no temporary file can be made" "set TMPDIR to a directory that may be written to"
trap 'rm -f "$complaints"' EXIT

while [ $# -gt 0 ]; do
  case "$1" in
    --namespaced) model=namespaced ;;
    --dry-run) dry_run=yes ;;
    --help | -h) usage; exit 0 ;;
    --namespace | --dir | --ca | --wait)
      [ -n "${2:-}" ] || wrong "$1 needs a value"
      case "$1" in
        --namespace) namespace=$2 ;;
        --dir) directory=$2 ;;
        --ca) ca=$2 ;;
        --wait) wait_seconds=$2 ;;
      esac
      shift ;;
    *) wrong "unknown argument: $1" ;;
  esac
  shift
done
[[ "$namespace" =~ ^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$ ]] || wrong "--namespace: no name of a namespace: $namespace"
if [ -z "$wait_seconds" ]; then [ "$model" = classic ] && wait_seconds=0 || wait_seconds=60; fi
[[ "$wait_seconds" =~ ^[0-9]{1,5}$ ]] || wrong "--wait: not a whole number of seconds: $wait_seconds"

if [ "$model" = classic ]; then
  files=("${directory:-$here}/mqtt-asset-endpoint.yaml" "${directory:-$here}/mqtt-asset-example.yaml")
  definitions=(assetendpointprofiles.deviceregistry.microsoft.com assets.deviceregistry.microsoft.com)
  others=devices.namespaces.deviceregistry.microsoft.com hint="this cluster has the namespaced model: add --namespaced"
else
  files=("${directory:-$here/deploy/assets}/mqtt-device.yaml" "${directory:-$here/deploy/assets}/mqtt-device-assets.yaml")
  definitions=(devices.namespaces.deviceregistry.microsoft.com assets.namespaces.deviceregistry.microsoft.com)
  others=assets.deviceregistry.microsoft.com hint="this cluster has the classic model: leave --namespaced out"
fi

resources() { # all of them, in the namespace that was asked for
  for file in "${files[@]}"; do
    sed "s/^  namespace: .*/  namespace: $namespace/" "$file"
  done
}

# --- What there must be -----------------------------------------------------------------------------------------------

first_code=0
missing() { # CODE WHAT NEXT: report it and go on looking
  printf 'error: %s\nnext:  %s\n' "$2" "$3" >&2
  [ "$first_code" -ne 0 ] || first_code=$1
}

found() { # ARGUMENTS OF kubectl get: 0 and its answer if it is there, 1 if not; ends where the cluster will not say
  local answer
  if answer=$(kube get "$@" 2>"$complaints"); then
    printf '%s' "$answer"
    return 0
  fi
  answer=$(cat "$complaints")
  [[ "$answer" != *"(NotFound)"* ]] || return 1
  printf 'error: kubectl get %s: %s\n' "$*" "$answer" >&2
  return 2
}

look() { # CODE WHAT NEXT ARGUMENTS OF kubectl get: the answer is in $answer, empty where the thing is missing
  local code=$1 what=$2 next=$3
  shift 3
  answer=$(found "$@")
  case $? in
    0) return 0 ;;
    1) missing "$code" "$what" "$next" ;;
    *) fail 13 "the cluster does not say whether there is $1 $2" \
      "ask for leave to get it (kubectl auth can-i get $1), or mend the connection, and run this again" ;;
  esac
  answer=""
  return 1
}

check_files() {
  for file in "${files[@]}"; do
    [ -r "$file" ] || fail 3 "no file $file" "make it: python app.py export assets --output DIR, then add --dir DIR"
  done
}

check_cluster() {
  command -v kubectl >/dev/null || fail 4 "kubectl is not on the PATH" \
    "install it (https://kubernetes.io/docs/tasks/tools/) and give it access to the cluster"
  local answer
  answer=$(kube version 2>&1) || fail 5 "the cluster does not answer kubectl: ${answer##*$'\n'}" \
    "see kubectl config current-context; for an Arc-enabled cluster run az connectedk8s proxy in another terminal"
  echo "cluster: $(kubectl config current-context 2>/dev/null || echo 'the one that kubectl runs in')"
}

check_definitions() {
  local definition next
  for definition in "${definitions[@]}"; do
    next="install Azure IoT Operations (az iot ops create), or see its version: az iot ops show"
    if found crd "$others" >/dev/null 2>&1; then next=$hint; fi
    look 7 "the cluster has no resource definition $definition" "$next" crd "$definition" -o name
  done
}

check_broker() {
  local address host port
  address=$(sed -nE 's#^ *(targetA|a)ddress: (mqtts?://)?([^:/ ]+):([0-9]+).*#\3 \4#p' "${files[0]}" | head -n 1)
  host=${address% *} port=${address#* }
  [ -n "$address" ] || return 0
  look 8 "no service ${host%%.*} in $namespace: the broker that ${files[0]##*/} names" \
    "see kubectl get brokerlisteners,services -n $namespace; another name goes into export assets --broker" \
    service "${host%%.*}" -n "$namespace" -o 'jsonpath={.spec.ports[*].port}' || return
  [[ " $answer " == *" $port "* ]] || missing 8 "service ${host%%.*} has no port $port, only: ${answer:-none}" \
    "set MQTT_PORT to the port of the listener you mean, and make the files anew: python app.py export assets"
}

check_trust() {
  look 9 "no ConfigMap $ca in $namespace: nobody can verify the broker" \
    "see kubectl get configmaps -n $namespace; with an issuer of your own, name its ConfigMap by --ca" \
    configmap "$ca" -n "$namespace" -o 'jsonpath={.data}' || return
  [[ "$answer" == *"BEGIN CERTIFICATE"* ]] || missing 9 "there is no certificate in ConfigMap $ca" \
    "see whether trust-manager runs: kubectl get bundles; kubectl get pods -A"
}

check_simulator() { # only worth a note: resources may come first
  local pods
  pods=$(kube get pods -n "$namespace" -l app=edgemqttsim --field-selector=status.phase=Running -o name 2>/dev/null)
  [ -n "$pods" ] || echo "note: no simulator runs in $namespace; a topic is discovered when a message comes on it"
}

# --- What is done -----------------------------------------------------------------------------------------------------

apply() {
  local answer
  answer=$(resources | kube apply ${dry_run:+--dry-run=server} -f - 2>&1) || fail 10 "the cluster refused: $answer" \
    "a field that it does not know belongs to another version: compare az iot ops show with docs/assets.md; \
forbidden means that you may not: kubectl auth can-i create ${definitions[0]} -n $namespace"
  printf '%s\n' "$answer"
}

verify() {
  local answer
  answer=$(resources | kube get -f - -o name 2>"$complaints") || fail 11 \
    "not there after it was applied: $(cat "$complaints")" \
    "something deletes it, such as a sync that takes the cloud for the truth; run this again and watch: \
kubectl get ${definitions[1]} -n $namespace -w"
  total=$(printf '%s\n' "$answer" | grep -c /)
  echo "$total resources are there"
}

idle() { # the resources that nothing has written a status to
  resources | kube get -f - -o 'jsonpath={range .items[*]}{.kind}/{.metadata.name}={.status}{"\n"}{end}' |
    sed -n 's/=$//p; s/={}$//p'
}

wait_for_status() {
  local end=$((SECONDS + wait_seconds)) left
  while true; do
    left=$(idle) || fail 13 "the cluster no longer answers while we wait for it" "run this again: what is there stays"
    [ -n "$left" ] || break
    [ "$SECONDS" -lt "$end" ] || fail 12 \
      "nothing has taken up $(printf '%s\n' "$left" | grep -c .) of $total resources within $wait_seconds s, \
such as $(printf '%s\n' "$left" | head -n 1)" "$(whose_turn)"
    sleep 1
  done
  echo "something in the cluster has taken all of them up: they have a status"
}

unread="no connector of Azure IoT Operations reads MQTT in the classic model; the resources stay as a description. \
From version 1.2 on use --namespaced"

whose_turn() {
  if [ "$model" = classic ]; then
    echo "$unread, or leave --wait out"
  else
    echo "add a connector template for MQTT to the instance (az iot ops connector template create, as in \
register-assets.sh, or Azure portal, Connector templates), \
and see its pod: kubectl get pods -n $namespace; then run this again"
  fi
}

tell() {
  [ "$model" = namespaced ] || echo "note: $unread"
  cat <<TEXT

What comes of it:
- These resources are in this cluster only. The cloud is the source of truth, and what kubectl creates is not synced to
  it: the portal does not show them. To register the factory with Azure use register-assets.sh or assets.bicep in
  deploy/assets (or made by: python app.py export assets --output DIR).
- Discovery needs a connector template for MQTT at the instance, which register-assets.sh makes.
- Discovery: with a device and its endpoints (--namespaced, Bicep or az) the MQTT connector reports each topic on which
  it sees a message as a discovered asset; you import it in the operations experience. For an asset a machine, run the
  simulator with TOPIC_LAYOUT=machine.
- What is discovered reaches Azure only with resource sync: az iot ops enable-rsync -n INSTANCE -g RESOURCE_GROUP
TEXT
}

check_files
check_cluster
look 6 "no namespace $namespace" "install Azure IoT Operations (az iot ops create), or name its namespace by --namespace" \
  namespace "$namespace" -o name || exit "$first_code"
check_definitions
check_broker
check_trust
[ "$first_code" -eq 0 ] || exit "$first_code"
check_simulator
apply
if [ -n "$dry_run" ]; then
  echo "dry run: the cluster would take all of it; nothing was changed"
  exit 0
fi
verify
[ "$wait_seconds" -eq 0 ] || wait_for_status
tell
