"""The shell scripts of the target `azure`: the same code for every plant, with a table of its resources."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Final

from cli.exports.common.export import commented
from cli.exports.common.names import heading

_REGISTER_HEAD: Final = """
Registers the schemas of the factory's messages, by the Azure CLI and its extension azure-iot-ops:

  RESOURCE_GROUP=<RESOURCE_GROUP> SCHEMA_REGISTRY=<SCHEMA_REGISTRY> bash register-schemas.sh [--dry-run]

Replace:
  <RESOURCE_GROUP>   the resource group of the schema registry
  <SCHEMA_REGISTRY>  its name

All schemas of the factory have the same version number. If the newest version in the registry is that of the plant,
nothing is changed; after an edit of the plant all get the next number. The last line of the output is the number. A
version is identified by its description, the digest of its schema. No version is changed or removed.
--dry-run reads the registry, and prints the commands instead of running them.

Exit codes: 0 done; 2 wrong usage; 3 no az; 4 no extension, or an old one; 5 az failed; 7 a schema of that name exists
with another format. It was tested with a stand-in for az only, never on a real registry.
"""
_APPLY_HEAD: Final = """
Creates dataflows, broker rules and a listener through Azure, so that the portal shows them, by the Azure CLI and its
extension azure-iot-ops:

  RESOURCE_GROUP=<RESOURCE_GROUP> INSTANCE=<INSTANCE> ... bash apply.sh [--dry-run] [--replace] PART...

PART is one or more of
  fabric         FABRIC_BOOTSTRAP_SERVER and FABRIC_TOPIC, of the eventstream's custom endpoint
  adx            ADX_CLUSTER, ADX_REGION, ADX_DATABASE; SCHEMA_REGISTRY, the name of the schema registry
  local          SCHEMA_REGISTRY; the volume claim of `export dataflow` must exist, created by kubectl
  authorization  permission to publish the factory's topics; the service account must be annotated, by kubectl
  listener       port 8884, which applies these rules
  all            all of them

Set as variables of the environment those named above and:
  <RESOURCE_GROUP>  the resource group of the instance; SCHEMA_RESOURCE_GROUP if the registry is in another
  <INSTANCE>        the name of the Azure IoT Operations instance

For adx and local it runs register-schemas.sh first and writes its version into the dataflows. It can be run again:
identical resources are not changed. A different resource of the same name ends it before anything is changed, as it
may belong to somebody else: view it with the printed command, then use --replace, for example after an edit of the
plant. No other resource is changed, and none is deleted.
--dry-run reads what exists, and prints the commands instead of running them.

Exit codes: 0 done; 2 wrong usage; 3 no az or python3; 4 no extension, or an old one; 5 az failed; 6 a value is
missing; 7 a resource differs. It was tested with a stand-in for az only, never on a real instance.
"""

_COMMON: Final = r"""set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
said=$(mktemp -d)
trap 'rm -rf "$said"' EXIT

fail() { local code=$1; shift; printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit "$code"; }
usage() { sed -n '2,/^$/s/^# \{0,1\}//p' "$0"; }

# ask WORDS...: print the answer of az; return 3 if the resource does not exist, exit on any other error.
ask() {
  if az iot ops "$@" --only-show-errors </dev/null 2>"$said/error"; then return 0; fi
  if grep -qiE 'notfound|not found|does not exist' "$said/error"; then return 3; fi
  fail 5 "az iot ops $1 $2 $3: $(tr '\n' ' ' <"$said/error")"
}

# change WORDS...: run an az command, or print it with --dry-run.
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

# able WORDS...: check that az and its extension exist and have a command.
able() {
  command -v az >/dev/null || fail 3 "az is not on the PATH; next: https://learn.microsoft.com/cli/azure/install-azure-cli"
  az extension show --name azure-iot-ops --output none </dev/null >/dev/null 2>&1 ||
    fail 4 "az has no extension azure-iot-ops; next: az extension add --name azure-iot-ops"
  az iot ops "$@" --help </dev/null >/dev/null 2>&1 ||
    fail 4 "the extension azure-iot-ops does not know: $*; next: az extension update --name azure-iot-ops"
}
"""

_REGISTER: Final = r"""
dry=no
for word in "$@"; do
  case "$word" in
    --dry-run) dry=yes ;;
    -h | --help) usage; exit 0 ;;
    *) fail 2 "unknown: $word; next: bash $0 --help" ;;
  esac
done
[ -n "${RESOURCE_GROUP:-}" ] || fail 2 "set RESOURCE_GROUP to the resource group of the schema registry"
[ -n "${SCHEMA_REGISTRY:-}" ] || fail 2 "set SCHEMA_REGISTRY to the name of the schema registry"
registry=(--registry "$SCHEMA_REGISTRY" --resource-group "$RESOURCE_GROUP")
able schema version add

ask schema list "${registry[@]}" --query '[].[name, properties.format]' --output tsv >"$said/there" ||
  fail 5 "there is no schema registry $SCHEMA_REGISTRY in $RESOURCE_GROUP: $(tr '\n' ' ' <"$said/error")"

# Write to $said/versions each existing schema, its versions and their descriptions.
: >"$said/versions"
while read -r name _ format _; do
  [ -n "$name" ] || continue
  found=$(awk -F '\t' -v name="$name" '$1 == name { print $2 }' "$said/there")
  [ -n "$found" ] || continue
  [ "$found" = "$format" ] || fail 7 "schema $name is there with the format $found, so it is not ours"
  ask schema version list --schema "$name" "${registry[@]}" --query '[].[name, properties.description]' --output tsv \
    >"$said/of" || continue
  awk -F '\t' -v name="$name" '{ print name "\t" $1 "\t" $2 }' "$said/of" >>"$said/versions"
done <<<"$SCHEMAS"

newest=$(awk -F '\t' '$2 + 0 > most { most = $2 + 0 } END { print most + 0 }' "$said/versions")
# known NAME VERSION: print the description of a version, or nothing.
known() {
  awk -F '\t' -v name="$1" -v version="$2" '$1 == name && $2 + 0 == version { print $3 " " }' "$said/versions"
}

version=$((newest > 0 ? newest : 1))
while read -r name _ _ digest; do
  [ -n "$name" ] || continue
  description=$(known "$name" "$newest")
  if [ -n "$description" ] && [ "$description" != "$digest " ]; then version=$((newest + 1)); fi
done <<<"$SCHEMAS"

while read -r name format long digest; do
  [ -n "$name" ] || continue
  content=$here/schemas/$name.json
  if [ -n "$(known "$name" "$version")" ]; then
    echo "schema $name: version $version is there"
  elif grep -q "^$name	$long\$" "$said/there"; then
    change schema version add --schema "$name" --version "$version" "${registry[@]}" \
      --content "$content" --desc "$digest"
    echo "schema $name: version $version added"
  else
    change schema create --name "$name" "${registry[@]}" --format "$format" --type message \
      --ver "$version" --version-content "$content" --vd "$digest"
    echo "schema $name: created with version $version"
  fi
done <<<"$SCHEMAS"
if [ "$version" != "$newest" ] && [ "$newest" != 0 ]; then
  echo "the plant's messages have changed: bring version $version into the dataflows by apply.sh --replace, or make"
  echo "them again by: python app.py export azure --schema-version $version"
fi
echo "schema version: $version"
"""

_APPLY: Final = r"""
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

# filled FILE: print the properties with values instead of <NAMES>, and the version in references to schemas.
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

# same WANTED FOUND: whether the existing resource has all wanted properties; the service adds defaults.
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

# command_of KIND: set $words to the az command for a kind of Kubernetes, and $parent to the options of its parent.
command_of() {
  case "$1" in
    Dataflow) words=(dataflow) parent=(--profile default) ;;
    DataflowEndpoint) words=(dataflow endpoint) parent=() ;;
    BrokerAuthorization) words=(broker authz) parent=(--broker default) ;;
    BrokerListener) words=(broker listener) parent=(--broker default) ;;
  esac
}

# wanted PART: whether the part was chosen.
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
  # The dry run prints the schemas' version, so that everything else is checked before they are registered.
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
"""


def register_script(schemas: Sequence[Sequence[str]]) -> str:
    """Return register-schemas.sh.  schemas: name, format for `az`, format for the registry, description."""
    return _script(_REGISTER_HEAD, _table("SCHEMAS", schemas), _REGISTER)


def apply_script(resources: Sequence[Sequence[str]], marks: Sequence[str]) -> str:
    """Return apply.sh.  resources: part, kind, name and file.  marks: names of placeholders in the files."""
    return _script(_APPLY_HEAD, f"MARKS={shlex.quote('|'.join(marks))}\n{_table('RESOURCES', resources)}", _APPLY)


def _table(name: str, rows: Sequence[Sequence[str]]) -> str:
    lines = "\n".join(" ".join(row) for row in rows)
    return f"{name}='{lines}'\n"


def _script(head: str, table: str, body: str) -> str:
    comment = commented(heading(head, "azure"))
    return f"#!/usr/bin/env bash\n{comment}\n{_COMMON}\n{table}{body}"
