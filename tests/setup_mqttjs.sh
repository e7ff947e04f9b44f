#!/bin/sh
# Get MQTT.js, the client of another vendor, by npm into the user's cache, where nothing of the project lies.
# Elsewhere, or when it fails, say nothing or why, and succeed: the tests themselves say what they could not run.
set -eu

version=5.16.0
folder=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/edgemqttsim/mqttjs-$version

command -v node >/dev/null && command -v npm >/dev/null || exit 0
[ ! -e "$folder/node_modules/mqtt/package.json" ] || exit 0

log=$(mktemp)
new=$folder.$$
trap 'rm -rf "$log" "$new"' EXIT

echo "Getting MQTT.js for the tests ..."
# Under a name of its own first: a run that is cut off leaves no half of it, and two runs do not meet.
if mkdir -p "$new" &&
	npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$new" "mqtt@$version" >"$log" 2>&1 </dev/null; then
	rm -rf "$folder"
	mv "$new" "$folder" 2>/dev/null || true
else
	echo "MQTT.js could not be downloaded for the tests; npm's last lines:" >&2
	tail -n 5 "$log" >&2
fi
