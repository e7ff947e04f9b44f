#!/usr/bin/env bash
# Puts the schemas of the factory's messages into the schema registry, by the Azure CLI and its extension azure-iot-ops:
#
#   RESOURCE_GROUP=<RESOURCE_GROUP> SCHEMA_REGISTRY=<SCHEMA_REGISTRY> bash register-schemas.sh [--dry-run]
#
# Yours to fill in:
#   <RESOURCE_GROUP>   the resource group of the schema registry
#   <SCHEMA_REGISTRY>  its name
#
# All schemas of the factory have one version number. Where the newest version in the registry is what the plant says,
# nothing is changed; after an edit of the plant all get the next one. The number is the last line of what it prints. A
# version is known by its description, the digest of the schema that it was made from. No version is changed or removed.
# --dry-run asks the registry what it has, and prints the commands in place of running them.
#
# Exit codes: 0 done; 2 wrong usage; 3 no az; 4 no extension, or an old one; 5 az refused; 7 a schema of that name is not
# ours. It was tried against a scripted az only, never on a real registry.
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

SCHEMAS='factory-cnc-machine json JsonSchema/draft-07 sha256:2dee37062f50ac56f1c54df60fa18d61
factory-cnc-machine-delta delta Delta/1.0 sha256:d30a2b66f5c8b0572c628a627e2bd51f
factory-printer-3d json JsonSchema/draft-07 sha256:2b6207d3cf9918bf7611cc267b541c61
factory-printer-3d-delta delta Delta/1.0 sha256:c189194fa63d085f44e8a70a29eca25a
factory-welding json JsonSchema/draft-07 sha256:c3881af38c032cd15f94145eb2af3558
factory-welding-delta delta Delta/1.0 sha256:34d1c5b8eba5985d189d3a26d446b2f8
factory-painting json JsonSchema/draft-07 sha256:2c7c8317d44619c1a75735f9ee1cecec
factory-painting-delta delta Delta/1.0 sha256:9c876759229d4dd5a09bde6c44f37a5b
factory-testing json JsonSchema/draft-07 sha256:7c27657310d8d91a691a6349fb02b088
factory-testing-delta delta Delta/1.0 sha256:787cbad013cc7e45c4414af1d7c60b00
factory-customer-order json JsonSchema/draft-07 sha256:dd34e2ea52179d981cbb15c41a5f3ed6
factory-customer-order-delta delta Delta/1.0 sha256:dc96abfb0ff015b993771e986314c02d
factory-dispatch json JsonSchema/draft-07 sha256:2effc3d9db8cd8d75377647edde068ac
factory-dispatch-delta delta Delta/1.0 sha256:f9eef93a5d1aad7121a9477248ae28cf'

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

# Into $said/versions: each schema that is there, its versions and their descriptions.
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
# known NAME VERSION: the description of a version, or nothing.
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
  echo "them anew by: python app.py export azure --schema-version $version"
fi
echo "schema version: $version"
