#!/bin/sh
# Get MQTT.js, the client of web pages, into build/mqttjs by npm: a counterpart for the tests of the embedded broker.
# Elsewhere, or when it fails, say nothing or why, and succeed: the tests themselves say what they could not run.
set -u

build=$(dirname "$0")/../build/mqttjs
client=mqtt@5.16.0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

if [ ! -d "$build/node_modules/mqtt" ] && command -v npm >/dev/null; then
	echo "Getting MQTT.js for the tests ..."
	mkdir -p "$build"
	npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$build" "$client" >"$log" 2>&1 </dev/null || {
		echo "MQTT.js could not be downloaded for the tests; the last lines:" >&2
		tail -n 5 "$log" >&2
	}
fi
exit 0
