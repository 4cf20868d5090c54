"""Scan engines: one file each, one contract."""
