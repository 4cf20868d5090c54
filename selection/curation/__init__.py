"""Curation of training data: one room for each task."""
