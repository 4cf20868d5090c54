"""Answers in files: arrays of a `.npz`, with the facts about them as JSON."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, NoReturn, Protocol, get_args

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from gleann.index.arrays import HeldIds
from gleann.index.data.npz_file import DAMAGED_NPZ
from gleann.index.errors import CorruptDataError, MissingFileError, StorageError
from gleann.index.nouns import number_of
from gleann.index.params import Metric
from gleann.index.texts import Texts

Arrays = Mapping[str, NDArray[Any]]

FACTS = "facts"
"""The array whose bytes are JSON."""


def write_answer(
    path: str | PathLike[str], facts: Mapping[str, Any], arrays: Arrays
) -> None:
    """Write a `.npz` file; an existing file is replaced.

    Args:
        path: of the file.
        facts: "format" and others, JSON values.
        arrays: by name.

    Raises:
        StorageError: the file cannot be written.
    """
    packed = np.frombuffer(json.dumps(facts).encode(), np.uint8)
    try:
        with Path(path).open("wb") as file:  # NumPy would append .npz to a path
            np.savez(file, allow_pickle=False, **{FACTS: packed}, **arrays)
    except OSError as error:
        reason = error.strerror or str(error)
        raise StorageError(f"cannot write {path}: {reason}") from error


def packed_ids(name: str, ids: HeldIds) -> dict[str, NDArray[Any]]:
    """Ids as arrays of a file, which `StoredAnswer.ids` reads."""
    if not isinstance(ids, Texts):
        return {name: ids}
    text = np.frombuffer(ids.packed(), np.uint8)
    return {f"{name}_text": text, f"{name}_lengths": ids.lengths}


class Pairs(Protocol):
    """Pairs of rows (p,), and how far apart they are."""

    @property
    def rows(self) -> NDArray[Any]:
        """Integers (p,)."""

    @property
    def others(self) -> NDArray[Any]:
        """Integers (p,), of the type of `rows`."""

    @property
    def distances(self) -> NDArray[Any]:
        """float32 (p,)."""


def packed_pairs(pairs: Pairs) -> dict[str, NDArray[Any]]:
    """Pairs as arrays of a file, which `StoredAnswer.pairs` reads."""
    return {
        "pair_rows": pairs.rows,
        "pair_others": pairs.others,
        "pair_distances": pairs.distances,
    }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StoredAnswer:
    """The arrays of a file, each read with its type and length.

    Attributes:
        path: of the file.
        arrays: all of them.
        of: what the file should hold, for messages.
    """

    path: str | PathLike[str]
    arrays: Arrays
    of: str

    @classmethod
    def read(cls, path: str | PathLike[str], *, of: str) -> "StoredAnswer":
        """Read a file that `write_answer` wrote.

        Raises:
            MissingFileError: there is no such file, or it cannot be read.
            CorruptDataError: it is damaged, or another file.
        """
        try:
            with Path(path).open("rb") as file:
                stored = np.load(file, allow_pickle=False)
                if not isinstance(stored, NpzFile):
                    raise ValueError(f"an array of shape {stored.shape}, and no .npz")
                with stored:
                    arrays = {name: stored[name] for name in stored.files}
        except DAMAGED_NPZ as error:
            raise CorruptDataError(f"{path} is no file of {of}: {error}") from error
        except OSError as error:
            reason = error.strerror or str(error)
            raise MissingFileError(f"cannot read {path}: {reason}") from error
        return cls(path=path, arrays=arrays, of=of)

    @property
    def format(self) -> object:
        """What the facts say of it; None where they do not.

        Raises:
            CorruptDataError: they are no JSON.
        """
        return self._facts().get("format")

    def facts(self, *, expected: str) -> dict[str, Any]:
        """The facts, which have a radius, a metric and a provenance.

        Raises:
            CorruptDataError: another format than the expected one, or a fact that is
                missing or of another type.
        """
        facts = self._facts()
        if facts.get("format") != expected:
            self.refuse(f"its format is not {expected!r}")
        if facts.get("metric") not in get_args(Metric):
            self.refuse(f"its metric is {facts.get('metric')!r}")
        if type(facts.get("radius")) not in (int, float):
            self.refuse(f"its radius is {facts.get('radius')!r}")
        if not isinstance(facts.get("provenance"), dict):
            self.refuse("it has no provenance")
        return facts

    def array(
        self, name: str, kind: type[np.generic], *, n: int | None = None
    ) -> NDArray[Any]:
        """An array (n,) of a type.

        Raises:
            CorruptDataError: there is none, or another.
        """
        if name not in self.arrays:
            self.refuse(f"it has no {name}")
        values = self.arrays[name]
        if values.dtype != kind or values.ndim != 1:
            self.refuse(f"its {name} are {values.dtype} {values.shape}")
        if n is not None and len(values) != n:
            self.refuse(f"its {name} have {number_of(len(values), 'entries')}, not {n}")
        return values

    def row_arrays(
        self, kinds: Mapping[str, type[np.generic]], *, n: int
    ) -> dict[str, NDArray[Any]]:
        """Arrays (n,) by name, each of its type.

        Raises:
            CorruptDataError: one is missing, or another.
        """
        return {name: self.array(name, kind, n=n) for name, kind in kinds.items()}

    def pairs(self, kind: type[np.integer[Any]]) -> dict[str, NDArray[Any]]:
        """Rows, others and distances (p,) that `packed_pairs` made into arrays.

        Args:
            kind: type of the rows and others.

        Raises:
            CorruptDataError: one is missing, or another, or they differ in number.
        """
        kinds = {"rows": kind, "others": kind, "distances": np.float32}
        found = {name: self.array(f"pair_{name}", of) for name, of in kinds.items()}
        counts = {name: len(values) for name, values in found.items()}
        if len(set(counts.values())) != 1:
            self.refuse(f"its pairs differ in number: {counts}")
        return found

    def ids(self, name: str, *, n: int | None = None) -> HeldIds:
        """Ids (n,) that `packed_ids` made into arrays.

        Raises:
            CorruptDataError: there are none, or they are no texts.
        """
        if f"{name}_text" not in self.arrays:
            return self.array(name, np.int64, n=n)
        text = self.array(f"{name}_text", np.uint8)
        lengths = self.array(f"{name}_lengths", np.int64, n=n)
        try:
            return Texts.of_packed(text.tobytes(), lengths)
        except ValueError as error:
            raise CorruptDataError(
                f"{self.path}: its {name} are no texts: {error}"
            ) from error

    def require_between(
        self, name: str, values: NDArray[Any], low: int, high: int
    ) -> None:
        """Refuse numbers beyond limits.

        Raises:
            CorruptDataError: with the limits and the numbers.
        """
        if len(values) and not (low <= values.min() and values.max() <= high):
            self.refuse(
                f"its {name} must be in {low}..{high}, are in {values.min()}"
                f"..{values.max()}"
            )

    def _facts(self) -> dict[str, Any]:
        raw = self.array(FACTS, np.uint8)
        try:
            facts = json.loads(raw.tobytes())
        except ValueError as error:
            raise CorruptDataError(
                f"{self.path}: its facts are no JSON: {error}"
            ) from error
        return facts if isinstance(facts, dict) else {}

    def refuse(self, reason: str) -> NoReturn:
        """Say why this is not the file it should be.

        Raises:
            CorruptDataError: always.
        """
        raise CorruptDataError(f"{self.path} is no file of {self.of}: {reason}")
