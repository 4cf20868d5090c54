"""Filters: conditions on payload in the language of SQL's WHERE, as masks of rows."""
