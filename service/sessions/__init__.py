"""Labelling sessions: begun, saved, resumed."""
