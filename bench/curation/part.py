"""What a part of `python -m bench curation` is."""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One result of a part.

    Attributes:
        name: of the data set; it ends the name of the result file. "" where the part
            has a single result.
        values: JSON values.
    """

    name: str
    values: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One method, measured.

    Attributes:
        help: what is measured, in a line.
        run: measures. Of the arguments of the command it takes `data` (folder of the
            data sets), `threads`, `seed` and `quick` (little data, to see that all
            runs). Each result is written when it is there.
        show: a result as markdown, without a title. `quick`, `seed`, `threads` and
            `name` are among its values.
        sets: names of results that can be asked for alone, by `sets` of the arguments.
    """

    help: str
    run: Callable[[argparse.Namespace], Iterator[Measured]]
    show: Callable[[dict[str, Any]], str]
    sets: tuple[str, ...] = ()


def is_wanted(name: str, arguments: argparse.Namespace) -> bool:
    """Whether the result `name` is asked for: all are, unless some are named."""
    return not arguments.sets or name in arguments.sets
