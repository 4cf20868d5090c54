"""`Curation` and `AsyncCuration`: stored results of curation jobs, read lazily."""

from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from typing import Any, Concatenate

from gleann.service.client.modes import (
    Awaiting,
    Blocking,
    InMode,
    M,
    Member,
    Mode,
    P,
    iterator_method,
    method,
    run,
)
from gleann.service.stubs import Stubs
from gleann.service.values import CurationInfo
from gleann.service.wire.curation.described import curation_info_of
from gleann.service.wire.curation.tables import joined_pages
from gleann.v1 import curation_pb2


class CurationHandle(InMode[M]):
    """`Curation` or `AsyncCuration`.

    Attributes:
        info: what is known of it: name, method, summary, provenance, tables.
    """

    def __init__(self, info: CurationInfo, stubs: Stubs, mode: M) -> None:
        self.info = info
        self._stubs = stubs
        self._mode = mode

    @property
    def name(self) -> str:
        """Its name, such as "curations/3f2a"."""
        return self.info.name

    @property
    def summary(self) -> dict[str, Any]:
        """Figures about the whole."""
        return self.info.summary

    @property
    def provenance(self) -> dict[str, Any]:
        """Method, params, seed, data hash and version."""
        return self.info.provenance

    @method
    async def table(self, name: str, *, columns: Sequence[str] = ()) -> Any:
        """All lines of a table, as a `pyarrow.Table`.

        Args:
            name: of the table, such as "pairs"; `info.tables` has them all.
            columns: those to fetch, in this order; all if empty.

        Raises:
            UnknownJobError: the curation was deleted.
            InvalidInputError: it has no such table.
            UnknownColumnError: the table has no such column.
        """
        pages = _pages(self._stubs, self.name, name, columns=columns, size=0)
        return joined_pages([page async for page in pages])

    @iterator_method
    async def pages(
        self, name: str, *, columns: Sequence[str] = (), size: int = 0
    ) -> AsyncGenerator[Any, None]:
        """A table page by page, each a `pyarrow.Table` of at least one line.

        A table without lines has one page without lines.

        Args:
            name: as in `table`.
            columns: as in `table`.
            size: most lines of a page; 0 takes 100,000.

        Raises:
            As `table`.
        """
        pages = _pages(self._stubs, self.name, name, columns=columns, size=size)
        async for page in pages:
            yield joined_pages([page])

    def __repr__(self) -> str:
        lines = (f"{name} {table.rows}" for name, table in self.info.tables.items())
        listed = ", ".join(lines)
        return f"{type(self).__name__}({self.name!r}, {self.info.method}: {listed})"


class Curation(CurationHandle[Blocking]):
    """A stored curation; its tables are fetched when they are asked for."""


class AsyncCuration(CurationHandle[Awaiting]):
    """As `Curation`; `table` is awaited, and `pages` is iterated asynchronously."""


def curation_of(
    message: curation_pb2.Curation, stubs: Stubs, mode: Mode
) -> CurationHandle[Any]:
    """The curation of a message, for a mode."""
    info = curation_info_of(message)
    if isinstance(mode, Awaiting):
        return AsyncCuration(info, stubs, mode)
    assert isinstance(mode, Blocking)
    return Curation(info, stubs, mode)


def stored_method(
    body: Callable[Concatenate[Any, P], Coroutine[Any, Any, CurationHandle[Any]]],
) -> Member[P, Curation, Coroutine[Any, Any, AsyncCuration]]:
    """A method whose result is a curation, which has the mode of the method."""
    made: Any = Member(body, run)
    return made


async def _pages(
    stubs: Stubs, name: str, table: str, *, columns: Sequence[str], size: int
) -> AsyncGenerator[bytes, None]:
    request = curation_pb2.ReadCurationTableRequest(
        name=name, table=table, columns=columns, page_size=size
    )
    while True:
        page = await stubs.curation.ReadCurationTable(request)
        yield page.arrow
        request.page_token = page.next_page_token
        if not page.next_page_token:
            return
