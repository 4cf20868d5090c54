"""The estimate sessions by the format of their saved state."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from gleann.index.errors import CorruptDataError
from gleann.selection.estimate.sessions import (
    disjoint_groups,
    overlapping_groups,
    refreshed,
    several_proxies,
    single,
)
from gleann.selection.estimate.sessions.disjoint_groups import DisjointGroupsSession
from gleann.selection.estimate.sessions.overlapping_groups import (
    OverlappingGroupsSession,
)
from gleann.selection.estimate.sessions.refreshed import TastiSession
from gleann.selection.estimate.sessions.several_proxies import ChoosingSession
from gleann.selection.estimate.sessions.single import EstimateSession

NamedProxiesSession: TypeAlias = (
    ChoosingSession | DisjointGroupsSession | OverlappingGroupsSession
)
"""A session that is started and resumed with several proxies, by name."""

SessionType: TypeAlias = (
    type[EstimateSession] | type[TastiSession] | type[NamedProxiesSession]
)

_TYPES: dict[str, SessionType] = {
    single.FORMAT: EstimateSession,
    refreshed.FORMAT: TastiSession,
    several_proxies.FORMAT: ChoosingSession,
    disjoint_groups.FORMAT: DisjointGroupsSession,
    overlapping_groups.FORMAT: OverlappingGroupsSession,
}

_NAMES: dict[str, str] = {
    several_proxies.FORMAT: "proxies",
    disjoint_groups.FORMAT: "groups",
    overlapping_groups.FORMAT: "sessions",
}
"""The part of the state whose items or keys are the names of the proxies."""


def session_type(state: Mapping[str, Any]) -> SessionType:
    """The class whose `resume` takes `state`.

    Raises:
        CorruptDataError: no estimate session has the format of the state.
    """
    found = _TYPES.get(str(state.get("format")))
    if found is None:
        raise CorruptDataError(
            f"the state's format is {state.get('format')!r:.80}, of no estimate"
            f" session: those are {', '.join(_TYPES)}"
        )
    return found


def proxy_names(state: Mapping[str, Any]) -> list[str]:
    """Names of the proxies a session with several was started with, in order.

    Raises:
        CorruptDataError: the state does not name them.
    """
    part = _NAMES.get(str(state.get("format")), "")
    names = state.get(part)
    if not isinstance(names, list | dict) or not all(
        isinstance(name, str) for name in names
    ):
        raise CorruptDataError(
            f"the state of format {state.get('format')!r:.80} does not name its proxies"
        )
    return list(names)
