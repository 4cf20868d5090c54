"""Examination, repair and export of a damaged data directory."""
