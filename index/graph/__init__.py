"""The k-nearest-neighbour graph of all rows of an index."""
