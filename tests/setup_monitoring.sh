#!/bin/sh
# Get what the exports for monitoring are tested with into build/, where that needs no question: Prometheus from Debian's
# package, which is unpacked and not installed, and Microsoft's parser of KQL by npm.
# Elsewhere, or when it fails, say nothing or why, and succeed: the tests themselves say what they could not run.
set -u

build=$(dirname "$0")/../build
parser=@kusto/language-service-next@12.4.1
log=$(mktemp)
trap 'rm -f "$log"' EXIT

failed() {
	echo "$1 could not be downloaded for the tests; the last lines:" >&2
	tail -n 5 "$log" >&2
}

prometheus() { # of its package's 96 MB only the two programs
	rm -rf "$build/prometheus.new"
	mkdir -p "$build/prometheus.new"
	cd "$build/prometheus.new" || return
	apt-get -q -o APT::Sandbox::User=root download prometheus || { apt-get -q update && apt-get -q download prometheus; } || return
	dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x --strip-components=3 ./usr/bin/prometheus ./usr/bin/promtool || return
	rm -f prometheus_*.deb
	cd - >/dev/null && mv "$build/prometheus.new" "$build/prometheus"
}

if [ ! -x "$build/prometheus/promtool" ] && command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null; then
	echo "Getting Prometheus for the tests ..."
	(prometheus) >"$log" 2>&1 </dev/null || failed Prometheus
fi
if [ ! -d "$build/kusto/node_modules" ] && command -v npm >/dev/null; then
	echo "Getting the parser of KQL for the tests ..."
	mkdir -p "$build/kusto"
	npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$build/kusto" "$parser" >"$log" 2>&1 </dev/null ||
		failed "The parser of KQL"
fi
exit 0
