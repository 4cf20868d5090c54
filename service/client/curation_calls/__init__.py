"""Client calls for curation, one module a topic."""
