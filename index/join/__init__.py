"""All pairs of rows within a radius, of one index or of two collections."""
