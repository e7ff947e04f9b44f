"""`export`: files for a cluster and for consumers, made from the plant's YAML."""
