"""The material flow as the YAML declares it: edges between machine types, the line that follows, and the rules."""
