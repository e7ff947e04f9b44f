"""Episodes of faults as the outside sees them: their form, those that have ended, and queries for them."""
