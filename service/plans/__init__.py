"""What long work would take, before it is asked for."""
