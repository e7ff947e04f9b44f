"""From the declaration of signals to their laws."""
