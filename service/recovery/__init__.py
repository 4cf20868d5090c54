"""A damaged data directory: examined, repaired, its rows exported."""
