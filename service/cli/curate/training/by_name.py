"""Options that give a number to each of some groups or tasks by name."""

from collections.abc import Callable, Hashable, Mapping
from typing import TypeVar

import click
import numpy as np
from numpy.typing import NDArray

Number = TypeVar("Number", int, float)


class CapsType(click.ParamType["int | dict[str, int]"]):
    """One cap for all groups, or caps of some by name, such as web=100,books=20."""

    name = "N|GROUP=N,..."

    def convert(
        self,
        value: object,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> int | dict[str, int]:
        """The cap or caps, or a message that shows what was given."""
        text = str(value).strip()
        if text.isdigit():
            return int(text)
        try:
            return _numbers(text, int)
        except ValueError as error:
            self.fail(f"{error} is neither N nor GROUP=N with an integer", param, ctx)


class SharesType(click.ParamType["dict[str, float]"]):
    """Shares of some tasks by name, such as law=0.7,code=0.3."""

    name = "TASK=SHARE,..."

    def convert(
        self,
        value: object,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> dict[str, float]:
        """The shares, or a message that shows what was given."""
        try:
            return _numbers(str(value), float)
        except ValueError as error:
            self.fail(f"{error} is not TASK=SHARE, once for each task", param, ctx)


def _numbers(text: str, kind: Callable[[str], Number]) -> dict[str, Number]:
    """Numbers by name.

    Raises:
        ValueError: shows the part that is none, or that repeats a name.
    """
    found: dict[str, Number] = {}
    for part in text.split(","):
        name, _, number = part.rpartition("=")
        if not name or name in found:
            raise ValueError(repr(part))
        try:
            found[name] = kind(number)
        except ValueError as error:
            raise ValueError(repr(part)) from error
    return found


def by_label(
    numbers: Mapping[str, Number], labels: NDArray[np.generic]
) -> dict[Hashable, Number]:
    """Numbers by the labels themselves: integers where the labels are integers.

    Names that are no label stay as they are, for the library to refuse.
    """
    known = {str(label): label for label in np.unique(labels).tolist()}
    return {known.get(name, name): number for name, number in numbers.items()}
