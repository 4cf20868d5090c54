"""Conversion of the messages of curation, one module a topic."""
