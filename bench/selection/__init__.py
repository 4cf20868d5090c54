"""Benchmarks of selection: one module a family."""
