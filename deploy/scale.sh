#!/bin/sh
# Divide the machines of the factory among this many pods:  sh deploy/scale.sh PODS [NAMESPACE]
#
# For deploy/overlays/scaled. All pods drain and stop first, and start again as parts of the new number: in a rolling
# update old and new parts would overlap, and some machines would publish twice.
set -eu

pods=${1:-}
namespace=${2:-azure-iot-operations}
case $pods in
'' | 0* | *[!0-9]*)
	sed -n '2s/^# //p' "$0" >&2
	exit 2
	;;
esac

on() {
	kubectl --namespace "$namespace" "$@"
}

on scale statefulset/edgemqttsim --replicas=0
on wait --for=delete pod --selector=app=edgemqttsim --timeout=300s
on patch statefulset/edgemqttsim --patch "$(
	cat <<JSON
{"spec": {"replicas": $pods, "template": {"spec": {"containers": [
  {"name": "edgemqttsim", "env": [{"name": "SHARD", "value": "ordinal/$pods"}]}]}}}}
JSON
)"
on rollout status statefulset/edgemqttsim --timeout=300s
echo "deploy/components/scaled/kustomization.yaml must have 'count: $pods' too, or the next kubectl apply -k reverts it."
