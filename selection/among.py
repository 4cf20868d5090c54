"""The rows that a method chooses among, numbered in all rows."""

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index.arrays import Ids, Mask, Rows, Vectors
from gleann.index.checks import as_array
from gleann.index.errors import DimensionMismatchError, InvalidInputError
from gleann.index.ids.held import take_ids
from gleann.index.parallel.blocks import BLOCK_VALUES, block_slices
from gleann.selection.checks import IdMap, as_rows, shown
from gleann.selection.provenance import fingerprint
from gleann.selection.result import Selection
from gleann.selection.saved import Saved


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Among:
    """Some of n rows: the others are neither chosen, nor counted, nor covered.

    Attributes:
        rows: int64 (m,), ascending, at least one.
        n: all rows.
        by: what told them, such as a condition on payload, as JSON values; it is saved
            with a session and part of the provenance.
    """

    rows: Rows
    n: int
    by: Mapping[str, Any] = field(default_factory=dict)
    _mask: Mask | None = field(default=None, init=False, repr=False)

    @classmethod
    def of(
        cls, among: "AmongLike | None", *, n: int, names: IdMap | None = None
    ) -> "Among | None":
        """Check the rows that a caller gave; None for all rows.

        Args:
            among: a mask (n,) of bool; or ids where `names` are given, else rows; or
                made before.
            n: all rows.
            names: the rows' ids.

        Raises:
            InvalidInputError: not rows, or none of them.
            DimensionMismatchError: a mask of another length.
            DuplicateIdError: one row twice.
            UnknownIdError: an id that no row has.
        """
        if among is None:
            return None
        if isinstance(among, Among):
            if among.n != n:
                raise DimensionMismatchError(
                    f"among is of {among.n} rows, but there are {n}"
                )
            return among
        rows = np.sort(as_rows(among, n=n, name="among", names=names))
        if not len(rows):
            raise InvalidInputError(f"among has 0 of {n} rows to choose from")
        return cls(rows=rows, n=n)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def mask(self) -> Mask:
        """True for each of the rows (n,); made once, and read-only."""
        if self._mask is not None:
            return self._mask
        mask: Mask = np.zeros(self.n, np.bool_)
        mask[self.rows] = True
        mask.flags.writeable = False
        object.__setattr__(self, "_mask", mask)
        return mask

    def given(self, values: ArrayLike, *, name: str) -> NDArray[Any]:
        """What a caller gave for all rows (n,), of these (m,).

        Raises:
            DimensionMismatchError: not n of them.
        """
        every = as_array(values, name=name)
        if every.shape != (self.n,):
            raise DimensionMismatchError(
                f"{name} has shape {every.shape} for {self.n} rows, of which"
                f" {len(self)} are looked at: it must have all of them"
            )
        return every[self.rows]

    def besides(self, rows: Rows) -> "Among":
        """These rows and `rows` (m,)."""
        return replace(self, rows=np.union1d(self.rows, rows))

    def has(self, rows: Rows) -> Mask:
        """Which of `rows` (m,) are among these."""
        return self.mask[rows]

    def shared(self, rows: Rows | None) -> "Among":
        """Those of `rows` (m,) that are among these; all of these for None."""
        return Among(rows=self.rows if rows is None else rows[self.has(rows)], n=self.n)

    def places_of(self, rows: Rows, *, name: str, ids: IdMap | None = None) -> Rows:
        """Places (m,) of `rows` (m,) among these.

        Args:
            rows: numbered in all rows.
            name: what messages call them.
            ids: of all rows, for messages.

        Raises:
            InvalidInputError: one that is not among these.
        """
        if (outside := rows[~self.has(rows)]).size:
            named: Ids = outside if ids is None else ids.ids_of(outside)
            raise InvalidInputError(
                f"{name} has {outside.size} of {len(rows)} that are not among the"
                f" {len(self)} of {self.n} rows: {shown(named)}"
            )
        return np.searchsorted(self.rows, rows)

    def names_of(self, names: IdMap) -> IdMap:
        """The ids (m,) of these rows; `names` has those of all."""
        return IdMap(take_ids(names.held, self.rows), n=len(self), of=self.n)

    def placed(self, selection: Selection) -> Selection:
        """A selection among these rows by itself, with its rows numbered in all."""
        return replace(
            selection,
            rows=self.rows[selection.rows],
            provenance={**selection.provenance, **self.origin()},
        )

    def origin(self) -> dict[str, Any]:
        """The part of a provenance that says how many rows there were, and which."""
        return {"among": {"rows": len(self), "of": self.n, **self.by}}

    def state(self) -> dict[str, Any]:
        """JSON values: one bit a row, in base64."""
        bits = np.packbits(self.mask).tobytes()
        return {
            "rows": len(self),
            "of": self.n,
            "bits": base64.b64encode(bits).decode(),
            **({"by": dict(self.by)} if self.by else {}),
        }

    @classmethod
    def of_state(cls, state: Saved, *, n: int) -> "Among | None":
        """Rebuild from the part "among" of a session's state; None where it has none.

        Args:
            state: of the session.
            n: all rows.

        Raises:
            CorruptDataError: bits of other rows.
        """
        if "among" not in state.names:
            return None
        saved = state.part("among")
        if (of := saved.integer("of")) != n:
            saved.refuse("of", f"is {of}, but there are {n} rows")
        try:
            packed = base64.b64decode(saved.text("bits"), validate=True)
        except (binascii.Error, ValueError):
            saved.refuse("bits", "are not base64")
        if len(packed) != -(-n // 8):
            saved.refuse("bits", f"are {len(packed)} bytes, {n} rows have {-(-n // 8)}")
        mask = np.unpackbits(np.frombuffer(packed, np.uint8)).astype(np.bool_)
        rows = np.flatnonzero(mask)
        if not len(rows) or len(rows) != saved.integer("rows") or rows[-1] >= n:
            saved.refuse("rows", f"are {saved.integer('rows')}, bits {len(rows)}")
        by = saved.part("by").values if "by" in saved.names else {}
        return cls(rows=rows, n=n, by=by)


AmongLike: TypeAlias = ArrayLike | Among
"""Rows to choose among: a mask (n,) of bool; or ids where a call has ids, else rows."""


def rows_in_all(rows: Rows, among: Among | None) -> Rows:
    """`rows` (m,), counted within `among`, numbered in all rows."""
    return rows if among is None else among.rows[rows]


def state_of(among: Among | None) -> dict[str, Any]:
    """The part of a session's state that has the rows; none for all rows."""
    return {} if among is None else {"among": among.state()}


def origin_of(among: Among | None) -> dict[str, Any]:
    """`Among.origin`; empty for all rows."""
    return {} if among is None else among.origin()


class SomeVectors:
    """Some rows of a matrix, read as they are needed and never copied as a whole.

    Args:
        vectors: (n, d), perhaps memory-mapped.
        rows: (m,).
    """

    __slots__ = ("_rows", "_vectors")

    def __init__(self, vectors: Vectors, rows: Rows) -> None:
        self._vectors = vectors
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def shape(self) -> tuple[int, int]:
        """(m, d)."""
        return len(self._rows), self._vectors.shape[1]

    def __getitem__(self, some: Rows | slice) -> Vectors:
        """A copy (p, d) of some of the rows."""
        chosen: Vectors = self._vectors[self._rows[some]]
        return chosen

    def blocks(self) -> Iterator[Vectors]:
        """All rows, block after block."""
        step = max(1, BLOCK_VALUES // self.shape[1])
        return (self[block] for block in block_slices(len(self), step))


def vectors_among(vectors: Vectors, among: Among | None) -> Vectors | SomeVectors:
    """The rows of `vectors` (n, d) that `among` has; all of them for None."""
    return vectors if among is None else SomeVectors(vectors, among.rows)


def hash_of(vectors: Vectors | SomeVectors) -> str:
    """`provenance.fingerprint` of the rows."""
    if not isinstance(vectors, SomeVectors):
        return fingerprint(vectors)
    digest = sha256()
    for block in vectors.blocks():
        digest.update(block.data)
    return digest.hexdigest()


def peak_of(vectors: Vectors | SomeVectors) -> float:
    """The largest coordinate, by its magnitude."""
    blocks = vectors.blocks() if isinstance(vectors, SomeVectors) else [vectors]
    return max(max(float(one.max()), -float(one.min())) for one in blocks)
