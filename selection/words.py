"""Classes and groups as words: any hashable values, numbered in one place.

Methods work on numbers 0, 1, ...; callers give and get words: texts, bools, members of
an enum, tuples, or whatever else can be a key of a dictionary.
"""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index.checks import as_array
from gleann.index.errors import CorruptDataError, InvalidInputError, InvalidParamsError
from gleann.index.ids.held import shown_id
from gleann.index.tables.tabular import as_json

AT_MOST = 10
"""Words that a message lists."""

_NUMBERS = (bool, int, float, complex, np.number, np.bool_, list, np.ndarray)
"""What no word is: numbers, and nested lists of them."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Words:
    """Distinct words in order: the number of each is its place.

    Attributes:
        words: at least one.
        name: what messages call their values, such as "labels".
    """

    words: tuple[Hashable, ...]
    name: str

    @classmethod
    def of_values(cls, values: Iterable[Hashable], *, name: str) -> "Words":
        """The distinct ones of `values`, sorted where they have an order.

        Members of one enum are in the order of its definition, and words without a
        common order in that of their first appearance.
        """
        distinct = list(dict.fromkeys(values))
        kinds = set(map(type, distinct))
        if len(kinds) == 1 and issubclass(kind := kinds.pop(), Enum):
            return cls(words=tuple(x for x in kind if x in distinct), name=name)
        try:
            return cls(words=tuple(sorted(distinct)), name=name)  # type: ignore[type-var]
        except TypeError:
            return cls(words=tuple(distinct), name=name)

    def __len__(self) -> int:
        return len(self.words)

    @cached_property
    def places(self) -> dict[Hashable, int]:
        """The number of each word."""
        return {word: number for number, word in enumerate(self.words)}

    @cached_property
    def array(self) -> NDArray[Any]:
        """The words (c,): as NumPy's strings or integers, others as objects."""
        # NumPy's strings would lose a NUL at the end, and with it the difference.
        if all(isinstance(x, str) and not x.endswith("\0") for x in self.words):
            return np.array(self.words, np.str_)
        if all(type(word) is int for word in self.words):
            return np.array(self.words, np.int64)
        held = np.empty(len(self.words), object)
        held[:] = self.words
        return held

    def numbers_of(self, values: Iterable[Hashable]) -> NDArray[np.int64]:
        """The number (m,) of each of `values`.

        Raises:
            InvalidInputError: a word that is not among them; names it, and the known.
        """
        places = self.places
        listed = list(values)
        numbers = np.array([places.get(value, -1) for value in listed], np.int64)
        if (strange := np.flatnonzero(numbers < 0)).size:
            new = list(dict.fromkeys(listed[row] for row in strange.tolist()))
            raise InvalidInputError(
                f"{self.name} {shown_words(new)} are outside the classes"
                f" [{shown_words(self.words)}]"
            )
        return numbers

    def state(self) -> list[Any]:
        """The words as JSON values, for `of_state`."""
        return [_saved(word) for word in self.words]

    @classmethod
    def of_state(
        cls, state: list[Any], *, name: str, given: tuple[Hashable, ...] | None
    ) -> "Words":
        """The words that were saved.

        Args:
            state: of `state()`.
            name: as in `Words`.
            given: the words themselves, in any order; needed where they are no texts,
                integers, bools or tuples of those.

        Raises:
            CorruptDataError: no such state, or `given` words that are not those saved.
            InvalidParamsError: words that cannot be read back are not given.
        """
        objects = {_key(_saved(word)): word for word in given or ()}
        words = tuple(_restored(saved, objects) for saved in state)
        if len(set(words)) != len(words) or (given and len(given) != len(words)):
            raise CorruptDataError(
                f"the state has the classes {shown_words(words)}, given were"
                f" {shown_words(given or ())}"
            )
        return cls(words=words, name=name)


def as_words(values: ArrayLike, *, name: str) -> list[Hashable] | None:
    """`values` (m,) as words; None where they are numbers, or not one-dimensional.

    Raises:
        InvalidInputError: a missing value, or one that is not hashable; names the row.
    """
    if isinstance(values, list | tuple):
        listed = list(values)
    else:
        array = as_array(values, name=name)
        if array.ndim != 1 or array.dtype.kind not in "UO":
            return None
        listed = array.tolist()
    if all(isinstance(x, _NUMBERS) and not isinstance(x, Enum) for x in listed):
        return None
    words = [x.item() if isinstance(x, np.generic) else x for x in listed]
    for row, word in enumerate(words):
        _require_word(word, row, name)
    return words


def shown_words(words: Iterable[Hashable]) -> str:
    """The first `AT_MOST` words for a message."""
    listed = [shown_id(word) for word in words]
    more = ", ..." if len(listed) > AT_MOST else ""
    return f"{', '.join(listed[:AT_MOST])}{more}"


def _require_word(word: object, row: int, name: str) -> None:
    if word is None or word != word:  # noqa: PLR0124 (NaN)
        raise InvalidInputError(f"{name} row {row} is {word}, which is no class")
    try:
        hash(word)
    except TypeError as error:
        raise InvalidInputError(
            f"{name} row {row} is {shown_id(word)}, which cannot be a class: {error}"
        ) from error
    if type(word).__repr__ is object.__repr__:
        raise InvalidInputError(
            f"{name} row {row} is {shown_id(word)}: to be a class, a"
            f" {type(word).__name__} needs a repr that is the same in every process"
        )


def _saved(word: Hashable) -> Any:
    if type(word) in (str, int, bool):
        return word
    if type(word) is tuple:
        return {"tuple": [_saved(part) for part in word]}
    kind = type(word)
    shown = word.name if isinstance(word, Enum) else repr(word)
    return {"object": f"{kind.__module__}.{kind.__qualname__}", "value": shown}


def _key(saved: Any) -> str:
    return f"{type(saved).__name__} {saved!r}"


def _restored(saved: Any, objects: dict[str, Hashable]) -> Hashable:
    if _key(saved) in objects:
        return objects[_key(saved)]
    if isinstance(saved, str | int):
        return saved
    if isinstance(saved, dict) and isinstance(saved.get("tuple"), list):
        return tuple(_restored(part, objects) for part in saved["tuple"])
    if isinstance(saved, dict) and {"object", "value"} == set(saved):
        raise InvalidParamsError(
            f"the state's class {saved['value']} is a {saved['object']}, which cannot"
            " be read from a state: give all classes to resume, as classes="
        )
    raise CorruptDataError(f"the state's classes must be words, one is {saved!r:.40}")


def column_names(words: Iterable[Hashable], *, taken: Iterable[str]) -> list[str]:
    """A distinct column name for each word, none of them `taken`."""
    names: list[str] = []
    for word in words:
        name = str(as_json(word))
        names.append(f"class {name}" if name in {*names, *taken} else name)
    return names
