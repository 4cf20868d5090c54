"""Commits: shared by the transactions of several threads, and counted."""
