"""Types of options that are whole numbers: argparse refuses others in words."""

from argparse import ArgumentTypeError


def positive(text: str) -> int:
    """A number of things, from 1 on."""
    return _at_least(1, text)


def natural(text: str) -> int:
    """A number from 0 on: a seed, or a count of which 0 means none or all."""
    return _at_least(0, text)


def _at_least(least: int, text: str) -> int:
    try:
        number = int(text)
    except ValueError as error:
        raise ArgumentTypeError(f"must be a whole number, got {text!r}") from error
    if number < least:
        raise ArgumentTypeError(f"must be at least {least}, got {number}")
    return number
