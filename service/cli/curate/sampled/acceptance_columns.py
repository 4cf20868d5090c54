"""Columns of the checks of a batch."""

FAILED_COLUMNS = ("failed", "label")
"""Names of the column that says whether an item fails."""
