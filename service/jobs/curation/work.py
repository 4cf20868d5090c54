"""What a curation method is given, and how it is registered."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import HeldIds, Rows
from gleann.index.checks import as_vectors
from gleann.index.errors import (
    DimensionMismatchError,
    InvalidInputError,
    InvalidParamsError,
)
from gleann.index.ids.checks import hold_distinct
from gleann.index.metric import require_distances
from gleann.index.nouns import number_of
from gleann.index.progress import Report
from gleann.service.devices.devices import Devices
from gleann.service.jobs.curation.curated import Curated
from gleann.service.jobs.curation.pool import Pool, opened
from gleann.service.jobs.curation.shelf import Shelf
from gleann.service.jobs.selecting import Selecting
from gleann.service.state.registry import Registry
from gleann.service.values import Limits
from gleann.service.views.live_index import View, require_not_empty
from gleann.service.views.passing import passing_rows
from gleann.service.wire.arrays import ids_of, vectors_of
from gleann.service.wire.curation.queries import count_queries
from gleann.service.wire.filter_messages import condition_of
from gleann.v1 import curation_pb2, types_pb2


@dataclass(frozen=True, kw_only=True, eq=False)
class Asked:
    """A request, before it is queued.

    Attributes:
        request: of the caller.
        view: the state of its index.
        registry: the indexes.
        shelf: the stored curations.
        selections: the stored selections.
        limits: the caps.
    """

    request: curation_pb2.CreateCurationJobRequest
    view: View
    registry: Registry
    shelf: Shelf
    selections: Selecting
    limits: Limits

    @property
    def method(self) -> str:
        """Its name in the request, such as "near_duplicates"."""
        name = self.request.WhichOneof("method")
        assert name is not None
        return name

    @property
    def message(self) -> Any:
        """The parameters of the method."""
        return getattr(self.request, self.method)

    @cached_property
    def passing(self) -> Rows:
        """Rows (m,) of the view that pass the filter, ascending.

        Raises:
            InvalidInputError: none does.
        """
        return passing_rows(self.view, condition_of(self.request))

    def places_of(self, ids: HeldIds) -> Rows:
        """Places (k,) of `ids` (k,) in `passing`; -1 for those that are not there."""
        rows = self.view.find(ids)
        places = np.searchsorted(self.passing, rows)
        at = np.minimum(places, len(self.passing) - 1)
        return np.where((rows >= 0) & (self.passing[at] == rows), places, -1)

    def require_vectors(
        self, message: types_pb2.Vectors, *, name: str
    ) -> NDArray[np.generic]:
        """Vectors (m, d) of the request that have distances to those of the index.

        Raises:
            InvalidInputError: not packed as they must be, or too long for a distance.
            NonFiniteError: NaN or infinity.
            DimensionMismatchError: another dimension.
            ZeroVectorError: a vector of length zero under cosine.
        """
        vectors = vectors_of(message, name=name)
        if vectors.shape[1] != self.view.dim:
            raise DimensionMismatchError(
                f"{name} has {number_of(vectors.shape[1], 'dimensions')}, the index has"
                f" {self.view.dim}"
            )
        rows = as_vectors(vectors, name=name)
        require_distances(rows, self.view.metric, name=name)
        return vectors

    def require_queries(self, kind: str) -> int:
        """Refuse queries that are of no use to the index; return how many there are.

        Args:
            kind: of the fields of the message, such as "target".

        Raises:
            InvalidInputError: no ids, or one twice.
            UnknownIdError: an id that no vector has.
            and those of `require_vectors`.
        """
        count, name = count_queries(self.message, kind), f"{kind}_ids"
        if self.message.HasField(name):
            if not count:
                raise InvalidInputError(f"{name} has 0 ids, at least 1 is needed")
            ids = ids_of(getattr(self.message, name), name=name)
            self.view.require(hold_distinct(ids, name=name))
        else:
            vectors = getattr(self.message, f"{kind}_vectors")
            self.require_vectors(vectors, name=f"{kind}_vectors")
        return count

    def like(self, name: str) -> View:
        """The state of another index, of the same dimension and metric.

        Raises:
            UnknownIndexError: no index has this name.
            NotReadyError: it is empty.
            InvalidParamsError: another metric.
            DimensionMismatchError: another dimension.
        """
        other = self.registry.view(name)
        if other.metric != self.view.metric:
            raise InvalidParamsError(
                f"{name!r} has the metric {other.metric}, {self.view.name!r}"
                f" {self.view.metric}"
            )
        if other.dim != self.view.dim:
            raise DimensionMismatchError(
                f"{name!r} has {number_of(other.dim, 'dimensions')}, {self.view.name!r}"
                f" {self.view.dim}"
            )
        require_not_empty(other)
        return other


@dataclass(frozen=True, kw_only=True, eq=False)
class Work(Asked):
    """A request that runs.

    Attributes:
        progress: called as the work goes on; raises when it must stop.
        devices: where builds run.
        threads: worker threads; 0 takes every core.
        files: closes what is open for the work.
        read: numbers of other indexes that were read, by their names.
    """

    progress: Report
    devices: Devices
    threads: int
    files: ExitStack = field(repr=False)
    read: dict[str, int] = field(default_factory=dict)

    @cached_property
    def pool(self) -> Pool:
        """The live vectors of the index, and those that pass the filter.

        Raises:
            As `pool.opened`.
        """
        return self._opened(self.view, filtered=True)

    def other(self, name: str) -> Pool:
        """All live vectors of another index; errors as `like` and `pool.opened`."""
        if name == self.view.name:
            return self._opened(self.view, filtered=False)
        view = self.like(name)
        self.read[name] = view.number
        return self._opened(view, filtered=False)

    def _opened(self, view: View, *, filtered: bool) -> Pool:
        return opened(
            view,
            condition_of(self.request) if filtered else None,
            scratch=self.files.enter_context(self.shelf.scratch()),
            devices=self.devices,
            threads=self.threads,
            progress=self.progress,
        )


def _nothing(_: Any) -> Sequence[str]:
    return ()


def _all_is_seen(_: Asked) -> None:
    """Refuse nothing: `check` sees all that the work would refuse."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A method of curation.

    Attributes:
        check: refuses a request before it is queued: what is quick to see, and what is
            above a limit.
        inspect: refuses what is seen only in the vectors that take part, in their
            payload or in a stored table. It may take as long as reading these, so it is
            done for a plan; the work refuses the same, in the same words.
        run: does the work.
        indexes: names of other indexes that its message names; the caller needs READ on
            them.
        curations: names of stored curations that its message names; likewise.
        selections: names of stored selections that its message names; likewise.
        compares: whether it compares vectors with those of a stored curation, whose
            index may be another one of the same name then.
    """

    check: Callable[[Asked], None]
    run: Callable[[Work], Curated]
    inspect: Callable[[Asked], None] = _all_is_seen
    indexes: Callable[[Any], Sequence[str]] = _nothing
    curations: Callable[[Any], Sequence[str]] = _nothing
    selections: Callable[[Any], Sequence[str]] = _nothing
    compares: bool = False
