"""The command `ctl`: act on a running simulator from a shell."""
