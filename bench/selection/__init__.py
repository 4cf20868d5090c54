"""Selection measured: what is chosen, what it is good for, what it costs."""
