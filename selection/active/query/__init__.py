"""How a batch is picked: a strategy, its scores and the greedy walk of the pool."""
