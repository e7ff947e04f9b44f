"""The command `controller`: rules that answer alarms with commands."""
