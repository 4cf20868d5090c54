"""What operations, sessions, stored results and snapshots belong to."""

from collections.abc import Callable, Mapping

from gleann.index.errors import CorruptDataError, NotFoundError
from gleann.service.application import Application
from gleann.service.calls.visible import index_of
from gleann.service.security.gate import Find, Holding
from gleann.service.security.rules import Kind
from gleann.service.state.store import Store
from gleann.v1.curation_pb2 import Curation

NO_INDEX = ""
"""Matches no pattern but "*": what belongs to no index is for those with all."""


def finds_of(application: Application) -> Mapping[Kind, Find]:
    """How to find what a resource belongs to, by its kind."""
    store = application.store
    selections, shelf = application.selections, application.snapshots.shelf
    curations = application.curations
    return {
        "operation": lambda name: _operation(store, name),
        "session": lambda name: _session(store, name),
        "selection": lambda name: _named(lambda: selections.get(name).index),
        "curation": lambda name: _curation(lambda: curations.get(name)),
        "snapshot": lambda name: _named(lambda: shelf.get(name).index),
    }


def _operation(store: Store, name: str) -> Holding | None:
    row = store.row("SELECT index_name, owner FROM operations WHERE name = ?", name)
    if row is None:
        return None
    return Holding(index_of(row["index_name"]), row["owner"])


def _session(store: Store, name: str) -> Holding | None:
    row = store.row(
        "SELECT indexes.name AS index_name, sessions.owner FROM sessions"
        " JOIN indexes ON indexes.number = sessions.index_number"
        " WHERE sessions.name = ?",
        name,
    )
    return None if row is None else Holding(row["index_name"], row["owner"])


def _named(index: Callable[[], str]) -> Holding | None:
    return _of(lambda: Holding(index()))


def _curation(described: Callable[[], Curation]) -> Holding | None:
    def found() -> Holding:
        one = described()
        return Holding(one.index, others=tuple(one.other_indexes))

    return _of(found)


def _of(holding: Callable[[], Holding]) -> Holding | None:
    try:
        return holding()
    except NotFoundError:
        return None
    except CorruptDataError:
        return Holding(NO_INDEX)
