"""`make fuzz`: bounded, seeded attacks on a running simulator; what they found is written into docs/reliability.md."""
