"""How calls get to a server or to a data directory, and how they are awaited."""
