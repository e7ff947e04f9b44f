"""Machine types as the YAML declares them: entries, older spellings, the library, and what results from them."""
