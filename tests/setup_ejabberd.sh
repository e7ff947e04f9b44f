#!/bin/sh
# Install ejabberd, the broker of another vendor, where that needs no question: as root, by apt-get.
# Elsewhere, or when it fails, say nothing or why, and succeed: the tests themselves say what they could not run.
set -eu

policy=/usr/sbin/policy-rc.d

command -v apt-get >/dev/null && [ "$(id -u)" -eq 0 ] || exit 0
dpkg-query --show --showformat '${db:Status-Status}\n' ejabberd 2>/dev/null | grep -qx installed && exit 0

log=$(mktemp)
trap 'rm -f "$log" ${own_policy:-}' EXIT
# Debian starts a service as it installs it, unless this file says 101 (invoke-rc.d(8)).
if [ ! -e "$policy" ]; then
	own_policy=$policy
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod +x "$policy"
fi

echo "Installing ejabberd for the tests ..."
export DEBIAN_FRONTEND=noninteractive
install="apt-get -q install --yes --no-install-recommends ejabberd"
if ! { $install || { apt-get -q update && $install; }; } >"$log" 2>&1 </dev/null; then
	echo "ejabberd could not be installed; apt-get's last lines:" >&2
	tail -n 5 "$log" >&2
fi
