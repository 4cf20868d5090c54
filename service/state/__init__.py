"""Persistent state: the database, sealed versions, the log of changes."""
