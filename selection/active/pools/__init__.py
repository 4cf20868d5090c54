"""Candidate pools: the rows that a batch may be picked from."""
