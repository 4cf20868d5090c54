"""What selection is worth, by method, from recorded seeds."""
