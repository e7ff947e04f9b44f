"""The energy of machines by quarters of an hour, as the ground truth has it, and what it depends on."""
