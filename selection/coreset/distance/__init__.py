"""Exact L2 distances between rows, on the host or a device."""
