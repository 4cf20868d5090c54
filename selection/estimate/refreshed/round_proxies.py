"""Proxies of all rows after each round, by a scan over the round's labels only."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Mask, Rows, Vectors
from gleann.index.errors import CorruptDataError
from gleann.selection.among import SomeVectors
from gleann.selection.estimate.proxies.label_votes import LabelVotes, VoteSums
from gleann.selection.progress import ProgressCallback
from gleann.selection.provenance import fingerprint

Proxies: TypeAlias = NDArray[np.float32]
Arrays: TypeAlias = dict[str, NDArray[np.generic]]

Scalar = TypeVar("Scalar", bound=np.generic)

FORMAT = "gleann.round-proxies/1"
_SUMS = ("nearest", "weights", "votes")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StageLabels:
    """Labels that arrive together.

    Attributes:
        rows: int64 (m,).
        positives: bool (m,).
    """

    rows: Rows
    positives: Mask


class RoundProxies:
    """The sums of votes so far, and the proxies that cuts in use were made by.

    Memory: 24 bytes a row for the sums, 4 for each of at most three arrays of proxies.

    Args:
        vectors: (n, d).
        stage: labels of a stage: 0 is what was known before the first round, k the
            labels of round k - 1, which must be finished.
        origin: of the labels: hash of the vectors.
        progress: called as rows are scanned.
    """

    def __init__(
        self,
        vectors: Vectors | SomeVectors,
        stage: Callable[[int], StageLabels],
        *,
        origin: str,
        progress: ProgressCallback | None,
    ) -> None:
        self._vectors = vectors
        self._stage = stage
        self._origin = origin
        self._progress = progress
        self._votes: LabelVotes | None = None
        self._sums = VoteSums.none(len(vectors))
        self._stages = 0
        self._proxies: dict[int, Proxies] = {}

    @property
    def stages(self) -> int:
        """Number of stages whose labels the sums have."""
        return self._stages

    def after(self, rounds: int, *, beside: int = 0) -> Proxies:
        """Proxies (n,) by the labels before the first round and of `rounds` rounds.

        That of a labelled row is made without its own label.

        Args:
            rounds: finished ones.
            beside: number of rounds whose proxies are kept too.
        """
        if rounds not in self._proxies:
            if rounds < self._stages - 1:
                self._restart()
            kept = {0, rounds, beside}
            while self._stages <= rounds:
                self._add_stage()
                if (done := self._stages - 1) in kept:
                    self._proxies[done] = self._sums.proxies()
            self._proxies = {k: self._proxies[k] for k in kept if k in self._proxies}
        return self._proxies[rounds]

    def saved(self) -> Arrays:
        """All of it, for `restore` in another process; empty before the first scan."""
        if not self._stages:
            return {}
        last = self._stages - 1
        arrays: Arrays = {name: getattr(self._sums, name) for name in _SUMS}
        for rounds, proxies in self._proxies.items():
            if rounds != last:
                arrays[f"proxies-{rounds}"] = proxies
        arrays["bounds"] = np.array([self._sums.lowest, self._sums.highest])
        arrays["stages"] = np.array([self._stages])
        arrays["source"] = np.array([self._source(self._stages)])
        arrays["checksum"] = np.array([_checksum(arrays)])
        return arrays

    def restore(
        self, arrays: Mapping[str, NDArray[np.generic]], *, stages: int
    ) -> bool:
        """Continue from `saved()`; returns whether it was of these labels.

        What is damaged or of other labels is left out: all labels are scanned again
        when proxies are needed.

        Args:
            arrays: as of `saved`.
            stages: number of stages whose labels are there.
        """
        n = len(self._vectors)
        try:
            found = _read(arrays, n=n)
        except CorruptDataError:
            return False
        if found.stages > stages or found.source != self._source(found.stages):
            return False
        self._sums, self._stages = found.sums, found.stages
        self._proxies = {**found.proxies, found.stages - 1: found.sums.proxies()}
        return True

    def _restart(self) -> None:
        self._sums = VoteSums.none(len(self._vectors))
        self._stages = 0
        self._proxies = {}

    def _add_stage(self) -> None:
        labels = self._stage(self._stages)
        if not len(labels.rows):
            # Nothing was labelled before the first round.
            self._stages += 1
            return
        if self._votes is None:
            self._votes = LabelVotes(self._vectors, self._first_rows())
        self._sums = self._votes.added(
            self._sums,
            labels.rows,
            labels.positives.astype(np.float64),
            progress=self._progress,
        )
        self._stages += 1

    def _first_rows(self) -> Rows:
        """Rows of the first stage that has labels."""
        first = self._stage(0).rows
        return first if len(first) else self._stage(1).rows

    def _source(self, stages: int) -> str:
        """Hash of all that the sums of so many stages are made from."""
        parts: list[NDArray[Any]] = [
            np.frombuffer(f"{FORMAT} {self._origin}".encode(), np.uint8)
        ]
        for number in range(stages):
            labels = self._stage(number)
            parts += [np.array([len(labels.rows)]), labels.rows, labels.positives]
        return fingerprint(*parts)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Read:
    """What `saved` holds: sums, stages in them, proxies by rounds, and their source."""

    sums: VoteSums
    stages: int
    proxies: dict[int, Proxies]
    source: str


def _read(arrays: Mapping[str, NDArray[np.generic]], *, n: int) -> _Read:
    """Read what `saved` returned, over n rows.

    Raises:
        CorruptDataError: an array that is missing or of another shape or type, or that
            is not as it was saved.
    """
    texts = [_text(arrays, name) for name in ("source", "checksum")]
    rest = {name: array for name, array in arrays.items() if name != "checksum"}
    if texts[1] != _checksum(rest):
        raise CorruptDataError("the votes are not as they were saved")
    sums = {name: _array(arrays, name, (n,), np.float64) for name in _SUMS}
    lowest, highest = _array(arrays, "bounds", (2,), np.float64).tolist()
    (stages,) = _array(arrays, "stages", (1,), np.int64).tolist()
    named = [name for name in arrays if name.startswith("proxies-")]
    return _Read(
        sums=VoteSums(**sums, lowest=lowest, highest=highest),
        stages=stages,
        proxies={
            int(name.removeprefix("proxies-")): _array(arrays, name, (n,), np.float32)
            for name in named
        },
        source=texts[0],
    )


def _array(
    arrays: Mapping[str, NDArray[np.generic]],
    name: str,
    shape: tuple[int, ...],
    dtype: type[Scalar],
) -> NDArray[Scalar]:
    found = arrays.get(name)
    if found is None or found.shape != shape or found.dtype != dtype:
        raise CorruptDataError(f"the votes have no {name} of shape {shape}")
    return cast("NDArray[Scalar]", found)


def _text(arrays: Mapping[str, NDArray[np.generic]], name: str) -> str:
    found = arrays.get(name)
    if found is None or found.shape != (1,) or found.dtype.kind != "U":
        raise CorruptDataError(f"the votes have no {name}")
    return str(found[0])


def _checksum(arrays: Mapping[str, NDArray[np.generic]]) -> str:
    names = sorted(arrays)
    texts = np.frombuffer(" ".join(names).encode(), np.uint8)
    return fingerprint(texts, *(arrays[name] for name in names))
