"""What a machine type's energy is measured by, and the rules for it."""
