"""Search of a view of an index, and batching of searches."""
