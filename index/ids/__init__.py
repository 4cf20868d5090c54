"""The caller's ids, strings or int64: checks, storage, and the table to row numbers."""
