"""The laws of signals, compiled from their declaration, and what must be stored of each machine for them."""
