"""Stratified sampling: strata, allocation, totals and intervals."""
