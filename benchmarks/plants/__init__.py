"""`python -m benchmarks.plants`: what plants with signals cost: whole messages, without a broker."""
