"""The calls of other simulators, for their clients."""
