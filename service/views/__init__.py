"""Views: one consistent state of an index, with its newer rows and payload."""
