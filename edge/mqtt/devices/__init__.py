"""A connection for each machine: its own client id, session, window and last will; one queue and one ledger for all."""
