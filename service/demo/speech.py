"""Formatting of numbers and lists in sentences."""

from collections.abc import Sequence
from statistics import fmean, stdev


def mean_and_spread(values: Sequence[float], *, digits: int = 3) -> str:
    """Write a mean with its standard deviation over runs."""
    if len(values) < 2:
        return f"{fmean(values):.{digits}f}"
    return f"{fmean(values):.{digits}f} \N{PLUS-MINUS SIGN} {stdev(values):.{digits}f}"


def signed(value: float, *, digits: int = 3) -> str:
    """Write a difference with its sign."""
    return f"{value:+.{digits}f}".replace("-", "\N{MINUS SIGN}")


def listed(words: Sequence[str]) -> str:
    """Join words with commas and "and"."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"
