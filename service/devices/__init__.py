"""Which device serves an index, and its memory; `devices.py` has the table."""
