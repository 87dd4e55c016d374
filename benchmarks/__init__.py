"""Simulations and timings that back what the documentation claims: `python -m benchmarks`."""
