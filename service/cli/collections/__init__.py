"""Commands on the indexes of a server or of a data directory."""
