"""`gleann curate`: its commands and their jobs."""
