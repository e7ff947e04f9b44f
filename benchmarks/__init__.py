"""`make bench`: how fast the simulator sends, beside other senders and beside what the wire allows.

Each measurement runs in a process of its own against one real mosquitto on loopback, and counts only if the broker
says that all messages arrived.
"""
