"""Weighted k-center over shards, in rounds."""
