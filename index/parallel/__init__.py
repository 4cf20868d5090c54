"""Work on several cores: blocks of rows, and limits on threads."""
