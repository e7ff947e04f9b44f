"""The declaration of signals: models of their YAML, formulas, bounds, and the rules between them."""
