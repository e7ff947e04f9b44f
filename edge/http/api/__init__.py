"""The control API, `/api/v1/`: machines, commands, the plant's YAML, settings, and what was done by whom."""
