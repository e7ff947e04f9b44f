"""Signals of blocks of rows, as numpy columns; nothing here is imported before the first block."""
