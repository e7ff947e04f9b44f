"""The command `scenario`: a run that is acted on and judged, with a report and an exit code."""
