"""Which indexes of a stored curation were deleted since.

A name says little, as another index may have it now: a curation keeps the numbers of
its indexes, and a number is never used again.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from gleann.index.errors import InvalidInputError
from gleann.service.state.store import Store
from gleann.v1 import curation_pb2

Numbers = Mapping[str, int]
"""Numbers of indexes by their names."""


@dataclass(frozen=True, slots=True)
class Lives:
    """The indexes that a curation is compared with.

    Attributes:
        store: the database; None where nothing is known of any index.
    """

    store: Store | None = None

    def numbers(self) -> Numbers:
        """Those of the indexes there are, also of those that cannot be served."""
        if self.store is None:
            return {}
        rows = self.store.rows("SELECT number, name FROM indexes")
        return {str(row["name"]): int(row["number"]) for row in rows}


def indexes_of(curation: curation_pb2.Curation) -> list[str]:
    """All indexes whose vectors a curation tells of."""
    return [curation.index, *curation.other_indexes]


def tell_deleted(
    curation: curation_pb2.Curation, *, then: Numbers, now: Numbers
) -> curation_pb2.Curation:
    """Set `deleted_indexes` of a description.

    Args:
        curation: the description.
        then: numbers of its indexes as they were read; one that is missing is compared
            by its name alone.
        now: numbers of the indexes there are.
    """
    del curation.deleted_indexes[:]
    for name in sorted(set(indexes_of(curation))):
        if name not in now or now[name] != then.get(name, now[name]):
            curation.deleted_indexes.append(name)
    return curation


def require_alive(curation: curation_pb2.Curation) -> None:
    """Refuse a curation whose index was deleted: its ids are of other vectors now.

    Raises:
        InvalidInputError: it was.
    """
    if curation.index in curation.deleted_indexes:
        raise InvalidInputError(
            f"{curation.name!r} is about an index {curation.index!r} that was deleted:"
            " the one of this name is another"
        )
