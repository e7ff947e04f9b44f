#!/bin/sh
# Install mosquitto and what its K8S-SAT plugin is built from, where that needs no question: as root, by apt-get.
# Elsewhere, or when it fails, say nothing or why, and succeed: the tests themselves say what they could not run.
set -eu

packages="mosquitto mosquitto-clients mosquitto-dev libmosquitto-dev libjwt-dev libcjson-dev gcc libc6-dev"
policy=/usr/sbin/policy-rc.d

command -v apt-get >/dev/null && [ "$(id -u)" -eq 0 ] || exit 0
# shellcheck disable=SC2086  # one word a package
dpkg-query --show --showformat '${db:Status-Status}\n' $packages 2>/dev/null | grep -cx installed |
	grep -qx "$(echo $packages | wc -w)" && exit 0

log=$(mktemp)
trap 'rm -f "$log" ${own_policy:-}' EXIT
# Debian starts a service as it installs it, unless this file says 101 (invoke-rc.d(8)).
if [ ! -e "$policy" ]; then
	own_policy=$policy
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod +x "$policy"
fi

echo "Installing mosquitto for the tests ..."
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086
if ! { apt-get -q update && apt-get -q install --yes --no-install-recommends $packages; } >"$log" 2>&1 </dev/null; then
	echo "mosquitto could not be installed; apt-get's last lines:" >&2
	tail -n 5 "$log" >&2
fi
