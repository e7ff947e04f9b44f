"""The keys of an entry, section by section: strict, frozen models of plain data."""
