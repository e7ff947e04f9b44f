"""How jobs vary: by kind, in lots, after stops, and from machine to machine."""
