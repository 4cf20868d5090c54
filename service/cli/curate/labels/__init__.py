"""Labels over the neighbour graph, and under class shares."""
