"""The HTTP port: probes, metrics, details, reload, and the answer of `/oee`."""
