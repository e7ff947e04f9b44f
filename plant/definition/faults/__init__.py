"""Faults, sensor faults and wear of a machine type: how they are declared, and the rules between them."""
