"""The command `preflight`: test everything that delivery of the first message depends on."""
