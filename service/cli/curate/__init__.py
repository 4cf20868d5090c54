"""`gleann curate`."""
