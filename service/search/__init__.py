"""Searches of one view of an index, and batches of them."""
