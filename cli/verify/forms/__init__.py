"""How to read messages: their lines, their keys by role, and which class of which machine type each is of."""
