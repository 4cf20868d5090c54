"""Lines of the log: as text or JSON, each with the call that it is about."""
