"""From the plant to what sends: the bounded queue, its ledger, and standard output as a sink."""
