"""Resume library sessions from saved states; the format field selects the class."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gleann.index import SoarIndex
from gleann.index.errors import CorruptDataError
from gleann.index.ids.held import take_ids
from gleann.service.sessions.known_columns import unpacked as unpacked_columns
from gleann.service.sessions.proxy_sums import unpacked
from gleann.service.values import SessionKind

if TYPE_CHECKING:
    from gleann.selection.estimate import TastiSession
    from gleann.service.sessions.start_estimate import GroupEstimates, SingleEstimate

State: TypeAlias = dict[str, object]


class Session(Protocol):
    """A session that can be saved and passed to `resume`."""

    def state(self) -> State:
        """The state without the arguments of `resume`, as JSON values."""


def resume(
    state: State,
    index: SoarIndex,
    proxy: bytes | None,
    *,
    kind: SessionKind,
) -> Session:
    """Resume a session from its `state()`.

    Args:
        state: of the session.
        index: the version it was started on.
        proxy: the proxies at the start, float64, concatenated; of a session from
            the index its proxy sums, None for none; rows of the batch of an audit,
            float64; columns of means, as `known_columns.packed`.
        kind: of the session.

    Raises:
        CorruptDataError: invalid state, or it does not match the proxies or index.
    """
    return _RESUME.get(kind, _resume_estimate)(state, index, proxy)


def _resume_active(state: State, index: SoarIndex, _: bytes | None) -> Session:
    from gleann.selection.active import ActiveSession
    from gleann.selection.neighbours import IndexNeighbours

    return ActiveSession.resume(
        state,
        index.vectors,
        ids=index.held_ids,
        neighbours=IndexNeighbours(index),
    )


def _resume_rounds(state: State, index: SoarIndex, _: bytes | None) -> Session:
    from gleann.selection.coreset import metric_vectors
    from gleann.selection.rounds import RoundsSession

    return RoundsSession.resume(state, metric_vectors(index), ids=index.held_ids)


def _resume_estimate(
    state: State, index: SoarIndex, proxy: bytes | None
) -> "SingleEstimate | GroupEstimates":
    from gleann.selection.estimate import (
        EstimateSession,
        TastiSession,
        proxy_names,
        session_type,
    )

    found = session_type(state)
    if issubclass(found, TastiSession):
        return _resume_refreshed(state, index, proxy)
    scores = _scores(found.__name__, proxy)
    if issubclass(found, EstimateSession):
        return found.resume(state, scores, ids=index.held_ids)
    proxies = _by_name(proxy_names(state), scores)
    return found.resume(state, proxies, ids=index.held_ids)


def _resume_promise(state: State, index: SoarIndex, proxy: bytes | None) -> Session:
    from gleann.selection.promises import PromiseSession

    scores = _scores("PromiseSession", proxy)
    return PromiseSession.resume(state, scores, ids=index.held_ids)


def _resume_audit(state: State, index: SoarIndex, batch: bytes | None) -> Session:
    from gleann.selection.promises import BatchAudit

    rows = _scores("BatchAudit", batch).astype(np.int64)
    if rows.size and not (rows.min() >= 0 and rows.max() < len(index)):
        raise CorruptDataError(
            f"rows {rows.min()} to {rows.max()} were kept for a BatchAudit, but the"
            f" index has {len(index)}"
        )
    return BatchAudit.resume(state, take_ids(index.held_ids, rows))


def _resume_means(state: State, index: SoarIndex, columns: bytes | None) -> Session:
    from gleann.selection.estimate.means import MeansSession

    known = unpacked_columns(columns)
    return MeansSession.resume(
        state,
        controls=known.controls,
        groups=known.groups,
        ids=index.held_ids,
    )


def _resume_refreshed(
    state: State, index: SoarIndex, sums: bytes | None
) -> "TastiSession":
    from gleann.selection.coreset import metric_vectors
    from gleann.selection.estimate import TastiSession

    return TastiSession.resume(
        state,
        metric_vectors(index),
        ids=index.held_ids,
        proxy_sums=None if sums is None else unpacked(sums),
    )


def _scores(kind: str, proxy: bytes | None) -> NDArray[np.float64]:
    """The proxies that were kept.

    Raises:
        CorruptDataError: none, or no float64 numbers.
    """
    if proxy is None:
        raise CorruptDataError(f"no scores were kept for a {kind}")
    if len(proxy) % 8:
        raise CorruptDataError(
            f"{len(proxy)} bytes of scores were kept for a {kind}, not 8 a score"
        )
    return np.frombuffer(proxy, "<f8")


def _by_name(
    names: list[str], proxy: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """Split concatenated proxies by name.

    Raises:
        CorruptDataError: their number does not match the names in the state.
    """
    if not names or len(proxy) % len(names):
        raise CorruptDataError(
            f"the state names {len(names)} proxies, but {len(proxy)} scores were kept"
        )
    return dict(zip(names, proxy.reshape(len(names), -1), strict=True))


_RESUME: dict[str, Callable[[State, SoarIndex, bytes | None], Session]] = {
    "active": _resume_active,
    "audit": _resume_audit,
    "means": _resume_means,
    "promise": _resume_promise,
    "rounds": _resume_rounds,
}
"""By kind; the others are estimates, whose states name the class."""
