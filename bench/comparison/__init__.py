"""gleann and its peers: tuned within a budget, timed in turn, one process each."""
