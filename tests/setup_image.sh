#!/bin/sh
# What tests/deploy/test_image.py needs: buildah, podman and runc, and a base image to build on. As root, by apt-get.
# The base that the Dockerfile names comes from a registry. Where EDGEMQTTSIM_IMAGE_BASE names an image, that is taken;
# else one is made here to stand in for it: a minimal Debian with this machine's Python in /usr/local.
# On success the last line is the name of the base; else the last line says what is missing, and the exit code is 1.
set -eu

packages="buildah podman runc debootstrap"
stand_in=localhost/edgemqttsim-test-base:latest
python=${PYTHON:-python3}
bundle=/etc/ssl/certs/ca-certificates.crt

fail() {
	echo "$*"
	exit 1
}

quietly() { # its output only if it fails
	"$@" >"$log" 2>&1 </dev/null || { tail -n 5 "$log"; fail "$1 failed; its last lines are above"; }
}

install_packages() {
	command -v buildah >/dev/null && command -v podman >/dev/null && command -v runc >/dev/null &&
		command -v debootstrap >/dev/null && return
	command -v apt-get >/dev/null || fail "not installed here, and no apt-get to do it: $packages"
	echo "Installing $packages ..."
	export DEBIAN_FRONTEND=noninteractive
	quietly apt-get -q update
	# shellcheck disable=SC2086  # one word a package
	quietly apt-get -q install --yes --no-install-recommends $packages
}

copy_libraries() { # the shared libraries of Python and its modules that the minimal Debian lacks
	find "$prefix/bin" "$prefix/lib" -maxdepth 3 -type f \( -name 'python3.*' -o -name '*.so*' \) -exec ldd {} + 2>/dev/null |
		awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | sort -u | while read -r library; do
		[ -e "$root$library" ] || case $library in
		"$prefix"/*) ;;
		*) mkdir -p "$root$(dirname "$library")" && cp -L "$library" "$root$library" ;;
		esac
	done
}

copy_python() {
	prefix=$("$python" -c 'import sys; assert sys.version_info >= (3, 11); print(sys.base_prefix)') ||
		fail "Python 3.11 or newer is needed: PYTHON=python3.12 sh $0"
	[ "$prefix" != /usr ] || fail "the Python of the distribution cannot be moved to /usr/local: name another in PYTHON"
	tar -C "$prefix" -cf - --exclude='test' --exclude='__pycache__' --exclude='site-packages' --exclude='*.a' \
		bin lib | tar -C "$root/usr/local" --no-same-owner -xf -
	copy_libraries
	cp -L "$prefix"/lib/libpython3*.so* "$root/usr/local/lib/" 2>/dev/null || true
	quietly chroot "$root" ldconfig
	quietly chroot "$root" /usr/local/bin/python3 -m ensurepip
	ln -sf python3 "$root/usr/local/bin/python"
}

make_stand_in() {
	echo "Making a base image from this machine's Python (about a minute, once) ..."
	root=$work/root
	# shellcheck disable=SC1091  # VERSION_CODENAME; the libraries below are this machine's, so the release must be, too
	quietly debootstrap --variant=minbase "$(. /etc/os-release && echo "$VERSION_CODENAME")" "$root"
	rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/*
	copy_python
	mkdir -p "$root/etc/ssl/certs" && cp -L "$bundle" "$root$bundle"
	container=$(buildah from scratch)
	quietly buildah add --quiet "$container" "$root" /
	quietly buildah config --env PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin \
		--env PIP_CERT="$bundle" --env SSL_CERT_FILE="$bundle" "$container"
	quietly buildah commit --quiet --rm "$container" "$stand_in"
}

[ "$(id -u)" -eq 0 ] || fail "building and running the image with limits needs root here"
work=$(mktemp -d)
log=$work/log
trap 'rm -rf "$work"' EXIT
install_packages
if [ -n "${EDGEMQTTSIM_IMAGE_BASE:-}" ]; then
	stand_in=$EDGEMQTTSIM_IMAGE_BASE
elif ! buildah inspect --type image "$stand_in" >/dev/null 2>&1; then
	make_stand_in
fi
echo "$stand_in"
