"""Ids, vectors and payload of the rows of all shards, fetched from where they are."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from gleann.index.arrays import HeldIds, Ids, Mask, Rows, Vectors
from gleann.index.errors import InvalidInputError, UnavailableError, UnknownIdError
from gleann.index.filters.condition import Condition
from gleann.index.ids.checks import hold_id_array
from gleann.index.ids.held import (
    id_at,
    joined_ids,
    kind_of,
    shown_id,
    take_ids,
    to_numpy,
)
from gleann.index.ids.table import require_found
from gleann.index.payload.payload import Payload
from gleann.index.payload.schema import Schema
from gleann.index.shards.asking import Question, Shards, ask, numbers_of
from gleann.index.shards.filters import ByCondition
from gleann.index.shards.manifest import ShardsManifest
from gleann.index.shards.placing import shards_of
from gleann.index.shards.questions import (
    AllIds,
    CountAllowed,
    FindIds,
    TakeIds,
    TakePayload,
    TakeVectors,
)
from gleann.index.texts import Texts

AnswerOf = TypeVar("AnswerOf")

WHERE = "the index in shards"


class RowsOfShards:
    """What an index in shards has of its rows, which are numbered shard after shard.

    Args:
        shards: who answers.
        manifest: of the index.
    """

    _schema = Schema()

    def __init__(self, shards: Shards, manifest: ShardsManifest) -> None:
        self._shards = shards
        self._manifest = manifest
        self._offsets = np.array(manifest.offsets, np.int64)

    def __len__(self) -> int:
        return self._manifest.n

    @property
    def manifest(self) -> ShardsManifest:
        """Which shards there are."""
        return self._manifest

    @property
    def shards(self) -> Shards:
        """Who answers."""
        return self._shards

    @property
    def dim(self) -> int:
        """Dimensions of a vector."""
        return self._manifest.dim

    @property
    def id_kind(self) -> str:
        """What its ids are: "integers" or "strings"."""
        return self._manifest.id_kind

    @property
    def schema(self) -> Schema:
        """The payload columns."""
        return self._schema

    def rows_of(self, ids: ArrayLike) -> Rows:
        """Rows (m,) of `ids` (m,), counted over all shards.

        Each id is looked up in the shard that its hash names.

        Raises:
            InvalidInputError: not ids.
            UnknownIdError: an id that is not in the index.
            UnavailableError, DeadlineError: a shard does not answer.
        """
        wanted = hold_id_array(ids)
        if len(wanted) and kind_of(wanted) != self.id_kind:
            raise UnknownIdError(
                f"no id {shown_id(id_at(wanted, 0))} in {WHERE}, whose ids are"
                f" {self.id_kind}"
            )
        return require_found(self.find_ids(wanted), wanted, where=WHERE)

    def find_ids(self, ids: HeldIds) -> Rows:
        """Rows (m,) of `ids` (m,); -1 for an id that is not in the index."""
        rows = np.full(len(ids), -1, np.int64)
        if not len(ids) or kind_of(ids) != self.id_kind:
            return rows
        of_id = shards_of(ids, len(self._manifest.shards))
        places = {
            number: np.flatnonzero(of_id == number)
            for number in np.unique(of_id).tolist()
            if self._manifest.shards[number].n
        }
        found = self._ask(
            {number: FindIds(ids=ids[some]) for number, some in places.items()}
        )
        for number, own in found.items():
            rows[places[number]] = np.where(own < 0, -1, own + self._offsets[number])
        return rows

    def mask_of(self, ids: ArrayLike) -> Mask:
        """The `allowed` mask (n,) that lets exactly `ids` through.

        Raises:
            UnknownIdError: an id that is not in the index.
        """
        mask = np.zeros(len(self), np.bool_)
        mask[self.rows_of(ids)] = True
        return mask

    def all_ids(self) -> HeldIds:
        """The ids (n,) of all rows: 8 bytes a row travel, or the strings.

        Raises:
            UnavailableError, DeadlineError: a shard does not answer.
        """
        return joined_ids(list(self.of_shards(lambda _: AllIds()).values()))

    def ids_at(self, rows: Rows) -> Ids:
        """Ids of `rows`, in their shape; -1 or "" for row -1.

        Raises:
            InvalidInputError: a row that is neither -1 nor one of the index.
        """
        held = self.held_ids_at(np.asarray(rows, np.int64).ravel())
        return to_numpy(held).reshape(rows.shape)

    def held_ids_at(self, rows: Rows) -> HeldIds:
        """Ids of `rows` (m,) in their stored form; see `ids_at`."""
        places, answers = self.of_rows(rows, lambda own: TakeIds(rows=own))
        if not places:
            return no_ids(self.id_kind, len(rows))
        return take_ids(joined_ids(list(answers.values())), _order(places, len(rows)))

    def vectors_at(self, rows: Rows) -> Vectors:
        """Rows (m, d) as they are searched: float32, of unit length under cosine.

        Args:
            rows: (m,), each of the index.

        Raises:
            InvalidInputError: a row that is not one of the index, such as -1.
        """
        require_rows(rows, n=len(self), lowest=0)
        vectors = np.empty((len(rows), self.dim), np.float32)
        places, answers = self.of_rows(rows, lambda own: TakeVectors(rows=own))
        for number, some in places.items():
            vectors[some] = answers[number]
        return vectors

    def vectors_of(self, ids: ArrayLike) -> Vectors:
        """The vectors (m, d) of `ids` (m,); see `vectors_at`.

        Raises:
            UnknownIdError: an id that is not in the index.
        """
        return self.vectors_at(self.rows_of(ids))

    def payload_at(self, rows: Rows, columns: Iterable[str] | None = None) -> Payload:
        """The payload of `rows` (m,); nulls for row -1.

        Args:
            rows: (m,).
            columns: names; None takes all.

        Raises:
            UnknownColumnError: a column that is not there.
            InvalidInputError: a row that is neither -1 nor one of the index.
        """
        names = None if columns is None else tuple(columns)
        schema = self._schema if names is None else self._schema.select(names)
        if not len(schema):
            require_rows(rows, n=len(self), lowest=-1)
            return Payload.nulls(schema, len(rows))
        places, answers = self.of_rows(
            rows, lambda own: TakePayload(rows=own, columns=names)
        )
        if not places:
            return Payload.nulls(schema, len(rows))
        order = _order(places, len(rows))
        return Payload.concat(answers.values()).take(order)

    def payload_of(
        self, ids: ArrayLike, columns: Iterable[str] | None = None
    ) -> Payload:
        """The payload of vectors, such as `Found.ids`; see `SoarIndex.payload_of`.

        Raises:
            UnknownColumnError: a column that is not there.
            UnknownIdError: an id that is not in the index.
        """
        given = np.asarray(ids).ravel()
        there = given != "" if given.dtype.kind == "U" else given != -1
        rows = np.full(len(given), -1, np.int64)
        rows[there] = self.rows_of(given[there])
        return self.payload_at(rows, columns)

    def count_where(self, where: str, parameters: Sequence[object] = ()) -> int:
        """How many rows meet a condition, as in `SoarIndex.where`.

        Raises:
            InvalidFilterError: as `SoarIndex.where`.
            UnavailableError, DeadlineError: a shard does not answer.
        """
        wanted = ByCondition(condition=Condition(where, parameters))
        numbers = numbers_of(self._manifest)
        return sum(
            self._ask({n: CountAllowed(allowed=wanted) for n in numbers}).values()
        )

    def of_rows(
        self, rows: Rows, question: Callable[[Rows], Question[Any]]
    ) -> tuple[dict[int, Rows], Mapping[int, Any]]:
        """Ask each shard about its own of some rows.

        Args:
            rows: (m,), in any order; -1 for none.
            question: makes the one to a shard, of rows of that shard.

        Returns:
            For each shard that was asked, by number, the places of its rows among
            `rows`, and its answer.

        Raises:
            InvalidInputError: a row that is neither -1 nor one of the index.
            UnavailableError, DeadlineError: a shard does not answer.
        """
        require_rows(rows, n=len(self), lowest=-1)
        shard = np.searchsorted(self._offsets, rows, side="right") - 1
        numbers = np.unique(shard[rows >= 0]).tolist()
        places = {number: np.flatnonzero(shard == number) for number in numbers}
        answers = self._ask(
            {
                number: question(rows[some] - self._offsets[number])
                for number, some in places.items()
            }
        )
        return places, {number: answers[number] for number in places}

    def of_shards(
        self, question: Callable[[int], Question[AnswerOf]]
    ) -> dict[int, AnswerOf]:
        """What each shard with rows answers, by number, ascending.

        Args:
            question: makes the one to a shard, by its number.

        Raises:
            UnavailableError, DeadlineError: a shard does not answer.
        """
        answers = self._ask({n: question(n) for n in numbers_of(self._manifest)})
        return {number: answers[number] for number in sorted(answers)}

    def _ask(self, questions: Mapping[int, Question[Any]]) -> Mapping[int, Any]:
        """The answers of all that are asked: rows have no others to stand for them.

        So a lost shard is waited for, also where searches do without it.

        Raises:
            UnavailableError, DeadlineError: a shard does not answer.
        """
        answers = ask(self._shards.complete, questions)
        if lost := sorted(set(questions) - set(answers)):
            raise UnavailableError(
                f"{len(lost)} of {len(questions)} shards do not answer, the first is"
                f" {self._manifest.shards[lost[0]].directory}"
            )
        return answers


def require_rows(rows: Rows, *, n: int, lowest: int) -> None:
    """Refuse numbers of rows below `lowest`, and those of no row of `n`.

    Raises:
        InvalidInputError: naming the first.
    """
    bad = rows[(rows < lowest) | (rows >= n)]
    if bad.size:
        raise InvalidInputError(f"row {bad[0]} is not one of {n} rows")


def no_ids(kind: str, count: int) -> HeldIds:
    """What stands for no id, so many times."""
    if kind == "strings":
        return Texts.of_packed(b"", np.zeros(count, np.int64))
    return np.full(count, -1, np.int64)


def _order(places: Mapping[int, Rows], count: int) -> Rows:
    """Where (count,) the answer for each place is among joined ones; -1 for none."""
    order = np.full(count, -1, np.int64)
    asked = np.concatenate(list(places.values()))
    order[asked] = np.arange(len(asked))
    return order
