#!/bin/sh
# Make what compose.yaml needs and nobody should know in advance: an authority's certificate, the broker's key and
# certificate, and passwords. What is there stays, until the certificate is about to expire; then all is made anew.
#
#   credentials.sh DIRECTORY
#
# Each service has a folder below DIRECTORY, which it alone can read. The authority's key is thrown away at once: nobody can
# sign another certificate by it.
set -eu

directory=$1
days=825
month=2592000

broker=$directory/broker
simulator=$directory/simulator
grafana=$directory/grafana
umask 077
mkdir -p "$broker" "$simulator" "$grafana"

# Each file to the one who reads it; also at further starts, as one before may have been killed at this point.
hand_over() {
	[ "$(id -u)" -eq 0 ] || return 0
	chown -R 1883:1883 "$broker"
	chown -R 10001:10001 "$simulator"
	chown -R 472:0 "$grafana"
}

if [ -s "$simulator/http-token" ] && [ -s "$grafana/secret-key" ] &&
	openssl x509 -in "$broker/server.crt" -noout -checkend "$month" >/dev/null 2>&1; then
	hand_over
	echo "credentials are there"
	exit 0
fi

secret() {
	openssl rand -hex 24
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days "$days" -keyout "$work/ca.key" \
	-out "$work/ca.crt" -subj "/CN=edgemqttsim compose authority" \
	-addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$work/server.key" -out "$work/server.csr" \
	-subj "/CN=broker" 2>/dev/null
cat >"$work/extensions" <<EXTENSIONS
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:broker, DNS:localhost, IP:127.0.0.1
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
EXTENSIONS
openssl x509 -req -in "$work/server.csr" -CA "$work/ca.crt" -CAkey "$work/ca.key" -days "$days" \
	-extfile "$work/extensions" -out "$work/server.crt" 2>/dev/null

cp "$work/ca.crt" "$work/server.key" "$broker/"
cp "$work/ca.crt" "$simulator/"
for user in simulator viewer operator; do
	secret >"$broker/$user.password"
done
cp "$broker/simulator.password" "$simulator/password"
secret >"$simulator/http-token"
# Grafana keeps its password in its own data after the first start, so it is made only once.
[ -s "$grafana/admin-password" ] || secret >"$grafana/admin-password"
[ -s "$grafana/secret-key" ] || secret >"$grafana/secret-key"

# Last: where it is, all else is.
cp "$work/server.crt" "$broker/server.crt.new"
mv "$broker/server.crt.new" "$broker/server.crt"
hand_over
echo "credentials were made"
