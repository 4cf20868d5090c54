"""What is on disk: the database, sealed versions, the log of changes."""
