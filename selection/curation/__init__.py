"""Curation of training data: near-duplicates, leakage between splits, and more."""
