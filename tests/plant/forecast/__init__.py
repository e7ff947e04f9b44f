"""Facts about what `check` says, most of them compared with runs."""
