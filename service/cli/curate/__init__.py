"""`gleann curate`: curate training data with an index."""
