"""Payload: typed columns of values beside the vectors of an index."""
