"""What is measured side by side: the simulator's sender, other clients, and the limit of the wire."""
