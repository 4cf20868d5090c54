"""Placement of indexes on devices and fallback; `devices.py` has the table."""
