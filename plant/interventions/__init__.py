"""What enters the plant at a time: commands, and faults that spread from machine to machine."""
