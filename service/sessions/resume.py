"""Resume library sessions from saved states; the format field selects the class."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gleann.index import SoarIndex
from gleann.index.errors import CorruptDataError

if TYPE_CHECKING:
    from gleann.selection.active import ActiveSession
    from gleann.selection.estimate import (
        ChoosingSession,
        DisjointGroupsSession,
        EstimateSession,
        OverlappingGroupsSession,
        TastiSession,
    )

State: TypeAlias = dict[str, Any]
Proxy: TypeAlias = NDArray[np.float64] | None


class Session(Protocol):
    """What can be saved; `resume` takes its state back."""

    def state(self) -> State:
        """All of it but what it is resumed with, as JSON values."""


def resume(state: State, index: SoarIndex, proxy: Proxy) -> Session:
    """Go on from a session's `state()`.

    Args:
        state: of a session of any kind.
        index: the version it was started on.
        proxy: float64, the proxies it was started with, one after the other; None for
            none.

    Raises:
        CorruptDataError: not such a state, or not of these proxies or this index.
    """
    name = str(state.get("format"))
    resume_format = _RESUME.get(name.partition("/")[0])
    if resume_format is None:
        raise CorruptDataError(
            f"the state has the format {name!r:.80}, which is unknown"
        )
    return resume_format(state, index, proxy)


def _active(state: State, index: SoarIndex, _: Proxy) -> "ActiveSession":
    from gleann.selection.active import ActiveSession
    from gleann.selection.neighbours import IndexNeighbours

    return ActiveSession.resume(
        state,
        index.vectors,
        ids=index.held_ids,
        neighbours=IndexNeighbours(index),
    )


def _single(state: State, index: SoarIndex, proxy: Proxy) -> "EstimateSession":
    from gleann.selection.estimate import EstimateSession

    return EstimateSession.resume(state, _required(proxy), ids=index.held_ids)


def _several_proxies(state: State, index: SoarIndex, proxy: Proxy) -> "ChoosingSession":
    from gleann.selection.estimate import ChoosingSession

    proxies = _by_name(state.get("proxies"), proxy)
    return ChoosingSession.resume(state, proxies, ids=index.held_ids)


def _refreshed(state: State, index: SoarIndex, _: Proxy) -> "TastiSession":
    from gleann.selection.coreset import metric_vectors
    from gleann.selection.estimate import TastiSession

    return TastiSession.resume(state, metric_vectors(index), ids=index.held_ids)


def _disjoint_groups(
    state: State, index: SoarIndex, proxy: Proxy
) -> "DisjointGroupsSession":
    from gleann.selection.estimate import DisjointGroupsSession

    proxies = _by_name(state.get("groups"), proxy)
    return DisjointGroupsSession.resume(state, proxies, ids=index.held_ids)


def _overlapping_groups(
    state: State, index: SoarIndex, proxy: Proxy
) -> "OverlappingGroupsSession":
    from gleann.selection.estimate import OverlappingGroupsSession

    proxies = _by_name(state.get("sessions"), proxy)
    return OverlappingGroupsSession.resume(state, proxies, ids=index.held_ids)


_RESUME: dict[str, Callable[[State, SoarIndex, Proxy], Session]] = {
    "gleann.active": _active,
    "gleann.estimate": _single,
    "gleann.estimate-choosing": _several_proxies,
    "gleann.estimate-tasti": _refreshed,
    "gleann.estimate-classes": _disjoint_groups,
    "gleann.estimate-groups": _overlapping_groups,
}
"""By the format of a state, without its version, which the class looks at."""


def _required(proxy: Proxy) -> NDArray[np.float64]:
    """The proxy.

    Raises:
        CorruptDataError: none was kept.
    """
    if proxy is None:
        raise CorruptDataError("the state is of a proxy, but no scores were kept")
    return proxy


def _by_name(names: object, proxy: Proxy) -> dict[str, NDArray[np.float64]]:
    """The proxies that were kept one after the other.

    Raises:
        CorruptDataError: they are not as many as the names that the state has.
    """
    scores = _required(proxy)
    listed = list(names) if isinstance(names, list | dict) else []
    if not listed or len(scores) % len(listed):
        raise CorruptDataError(
            f"the state names {len(listed)} proxies, but {len(scores)} scores were kept"
        )
    columns = scores.reshape(len(listed), -1)
    return {str(name): column for name, column in zip(listed, columns, strict=True)}
