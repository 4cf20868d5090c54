"""Measurements of gleann alone: work, recall and memory, also on hard data."""
