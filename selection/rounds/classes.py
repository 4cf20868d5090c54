"""Classes of a rounds session: integers, or words numbered in order of appearance."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index.arrays import Rows
from gleann.index.errors import DimensionMismatchError, InvalidInputError
from gleann.selection.active.questions import GivenLabels, as_integers
from gleann.selection.saved import Saved
from gleann.selection.words import Words, as_words, shown_words


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Classes:
    """What the numbers of a session's labels mean.

    Attributes:
        words: that the labels are numbers of; None where they are integers themselves.
    """

    words: Words | None = None

    def read(self, labels: ArrayLike, *, n: int, begun: bool) -> tuple[Rows, "Classes"]:
        """Labels (n,) as numbers (n, 1), and the classes with those that are new.

        Args:
            labels: integers or words.
            n: rows they are of.
            begun: whether there are labels already.

        Raises:
            InvalidInputError: neither; or words after integers, or the other way round.
            DimensionMismatchError: not n of them.
        """
        listed = as_words(labels, name="labels")
        if listed is None:
            numbers = as_integers(labels)
            if self.words is not None and numbers.size:
                raise InvalidInputError(
                    f"labels must be words, as {shown_words(self.words.words)}; got"
                    " integers"
                )
            return _column(numbers, n), self
        if self.words is None and begun:
            raise InvalidInputError(
                f"labels must be integers, as those before; got {shown_words(listed)}"
            )
        known = () if self.words is None else self.words.words
        words = Words(words=tuple(dict.fromkeys([*known, *listed])), name="labels")
        return _column(words.numbers_of(listed), n), Classes(words=words)

    def names(self, numbers: NDArray[np.int64]) -> GivenLabels:
        """The labels (m,) that `numbers` (m,) stand for."""
        return numbers if self.words is None else self.words.array[numbers]

    def state(self) -> dict[str, Any]:
        """The part of a state that has the words; none for integers."""
        return {} if self.words is None else {"words": self.words.state()}

    @classmethod
    def of_state(
        cls, state: Saved, given: tuple[Hashable, ...] | None, *, numbers: Rows
    ) -> "Classes":
        """Rebuild from a session's state.

        Args:
            state: of the session.
            given: the words, where a state cannot hold them.
            numbers: (m, 1) of its labels.

        Raises:
            CorruptDataError: words that do not fit, or labels without a word.
            InvalidParamsError: words are needed that a state cannot hold.
        """
        if "words" not in state.names:
            return cls()
        words = Words.of_state(state.items("words"), name="labels", given=given)
        if numbers.size and not 0 <= numbers.min() <= numbers.max() < len(words):
            state.refuse("words", f"are {len(words)}, labels go to {numbers.max()}")
        return cls(words=words)


def _column(numbers: NDArray[np.int64], n: int) -> Rows:
    if numbers.shape != (n,):
        raise DimensionMismatchError(f"labels has shape {numbers.shape} for {n} rows")
    return numbers.reshape(n, 1)
