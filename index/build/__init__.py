"""Build: training, assignment, spilling and tuning of an index."""
