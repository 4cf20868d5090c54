"""gleann beside its peers: tuned within a budget, timed in turn, each in a process."""
