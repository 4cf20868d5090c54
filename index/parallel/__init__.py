"""Work on several cores: blocks of rows, limits on threads, progress of long work."""
