#!/bin/sh
# Start mosquitto with the passwords that credentials.sh has made, hashed, and make the options of the clients in this
# container, so that `docker compose exec broker mosquitto_sub -t 'factory/#'` needs no password on its command line.
#
#   start.sh CREDENTIALS CONFIGURATION TEMPORARY
set -eu

credentials=$1
configuration=$2
temporary=$3

umask 077
: >"$temporary/passwords"
for user in simulator viewer operator; do
	echo "$user:$(cat "$credentials/$user.password")" >>"$temporary/passwords"
done
mosquitto_passwd -U "$temporary/passwords"

mkdir -p "$temporary/.config"
cat >"$temporary/.config/mosquitto_sub" <<OPTIONS
-h localhost
-p 8883
-V mqttv5
-u viewer
-P $(cat "$credentials/viewer.password")
--cafile $credentials/ca.crt
OPTIONS
sed -e 's/^-u viewer$/-u operator/' -e "s/^-P .*/-P $(cat "$credentials/operator.password")/" \
	"$temporary/.config/mosquitto_sub" >"$temporary/.config/mosquitto_pub"

exec mosquitto -c "$configuration/mosquitto.conf"
