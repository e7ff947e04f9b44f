"""The files of a plant: YAML, TOML, and the configuration of another simulator."""
