"""Labelling sessions: start, save, resume."""
