#!/bin/sh
# Install Chromium and the fonts of the page's tests and pictures, where that needs no question: as root, by apt-get.
# Elsewhere, or when it fails, say nothing or why, and succeed: the tests themselves say what they could not run.
set -eu

packages="chromium fonts-dejavu-core fonts-inter"

command -v apt-get >/dev/null && [ "$(id -u)" -eq 0 ] || exit 0
# shellcheck disable=SC2086  # one word a package
dpkg-query --show --showformat '${db:Status-Status}\n' $packages 2>/dev/null | grep -cx installed |
	grep -qx "$(echo $packages | wc -w)" && exit 0

log=$(mktemp)
trap 'rm -f "$log"' EXIT
echo "Installing Chromium for the tests ..."
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086
if ! { apt-get -q update && apt-get -q install --yes --no-install-recommends $packages; } >"$log" 2>&1 </dev/null; then
	echo "Chromium could not be installed; apt-get's last lines:" >&2
	tail -n 5 "$log" >&2
fi
