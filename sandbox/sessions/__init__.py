"""The broker without its sockets: sessions, subscriptions, retained messages and wills."""
