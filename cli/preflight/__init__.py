"""`preflight`: all that must be right before the first message is delivered."""
