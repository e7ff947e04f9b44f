"""The options: declared once, read from environment and flags."""
