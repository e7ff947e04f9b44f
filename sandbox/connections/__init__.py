"""Sockets and connections of clients, from the listening port to packets."""
