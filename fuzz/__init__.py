"""`make fuzz`: bounded, seeded attacks on a running simulator; the results are written into docs/reliability.md."""
