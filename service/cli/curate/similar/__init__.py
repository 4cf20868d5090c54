"""Commands of near-duplicates, joins, leakage and splits."""
