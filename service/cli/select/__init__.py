"""`gleann select`: its commands and their jobs."""
