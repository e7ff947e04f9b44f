"""Between plant and publisher: the bounded queue, its ledger, and standard output as a sink."""
