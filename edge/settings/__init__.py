"""Every option: declared once, read from environment and flags."""
