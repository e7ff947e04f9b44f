"""Tracing: spans of what the simulator does, which go to a collector; off unless OTEL_* variables ask for it."""
