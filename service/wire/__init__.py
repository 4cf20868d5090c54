"""Conversion of messages and values: arrays, indexes, selections, sessions."""
