"""Client calls for sessions, one module a kind of session."""
