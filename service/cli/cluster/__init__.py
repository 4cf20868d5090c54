"""`gleann cluster`: work on several machines."""
