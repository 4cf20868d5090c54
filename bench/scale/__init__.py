"""Millions of rows: how work and memory grow, and gleann beside its peers there."""
