"""Resources of Azure IoT Operations as manifests, Bicep and `az` commands."""
