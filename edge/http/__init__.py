"""The HTTP port: probes, metrics, details, reload, and OEE figures."""
