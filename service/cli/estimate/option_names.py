"""Errors of the library in the words of the command line."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import TYPE_CHECKING

from gleann.index.errors import InvalidInputError, InvalidParamsError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_SPOKEN = {"first": "--representatives"}
"""Parameters of the library whose option has another name."""
_CUT = re.compile(r"\bthe cut (?=\w+ needs)")


@contextmanager
def naming_options(job: "DataclassInstance") -> Iterator[None]:
    """Name the option where an error names the parameter that it sets.

    Args:
        job: parameters of the command, by the names of their options.

    Raises:
        InvalidInputError: as raised, with the option.
        InvalidParamsError: as raised, with the option.
    """
    try:
        yield
    except (InvalidInputError, InvalidParamsError) as error:
        raise type(error)(_named(str(error), job)) from error


def _named(message: str, job: "DataclassInstance") -> str:
    options = {name: f"--{name.replace('_', '-')}" for name in _names(job)} | _SPOKEN
    # A parameter is the subject of the sentence.
    said = "|".join(options)
    pattern = re.compile(rf"(?<![\w/.-])({said})(?= (?:is|are|must)\b)")
    message = pattern.sub(lambda found: options[found[1]], message)
    return _CUT.sub("--strata-cut ", message)


def _names(job: "DataclassInstance") -> list[str]:
    # `proxy` is a file's column too.
    return [field.name for field in fields(job) if field.name != "proxy"]
