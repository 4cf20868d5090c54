"""Plans: the calls that start long work, which only check and estimate it."""

from collections.abc import Awaitable, Callable
from typing import Any, Generic

from gleann.index.errors import InvalidParamsError
from gleann.service.client.connection import Connection
from gleann.service.client.coreset_calls import CoresetCalls
from gleann.service.client.curation_calls.calls import CurationCalls
from gleann.service.client.index_calls import IndexCalls
from gleann.service.client.link.at_once import SERVICES
from gleann.service.client.modes import InMode, M
from gleann.service.client.vector_calls import VectorCalls
from gleann.service.stubs import Stubs

_CHECKED = "validate_only"
_READING = ("Get", "List", "Read")


class Plans(InMode[M], Generic[M]):
    """Calls that change nothing: `client.plans`.

    They take the arguments of the calls of the same name, check all that those check,
    and raise what those raise. What starts an operation there answers with one that has
    no name and has ended here; its `plan` says what the work would take:

        client.plans.build("words").plan.memory_bytes
        client.plans.coresets.farthest_first("words", k=100).plan.seconds
        client.plans.curation.near_duplicates("words", similarity=0.95).plan.steps

    Attributes:
        indexes: `create` describes the index that would be made; `build`, `optimize`.
        vectors: `import_file`.
        coresets: all methods of selection.
        curation: all methods of curation.
    """

    def __init__(self, connection: Connection) -> None:
        self._mode = connection.mode
        planning = Connection(_planning(connection), connection.mode)
        self.indexes: IndexCalls[M] = IndexCalls(planning)
        self.vectors: VectorCalls[M] = VectorCalls(planning)
        self.coresets: CoresetCalls[M] = CoresetCalls(planning)
        self.curation: CurationCalls[M] = CurationCalls(planning)

    create_index = IndexCalls.create.short_for("indexes")
    build = IndexCalls.build.short_for("indexes")
    optimize = IndexCalls.optimize.short_for("indexes")
    import_vectors = VectorCalls.import_file.short_for("vectors")


def _planning(connection: Connection) -> Stubs:
    """Stubs whose methods only check requests, or read."""
    stubs = connection.stubs
    services: dict[str, Any] = {
        name: _Planning(getattr(stubs, name), connection) for name in SERVICES
    }
    return Stubs(**services, close=stubs.close, ready=stubs.ready)


class _Planning:
    """The methods of a service that read, or that can check without a change."""

    def __init__(self, stub: Any, connection: Connection) -> None:
        self._stub = stub
        self._connection = connection

    def __getattr__(self, name: str) -> Callable[[Any], Awaitable[Any]]:
        method = getattr(self._stub, name)

        async def call(request: Any) -> Any:
            if _CHECKED in request.DESCRIPTOR.fields_by_name:
                # An older server would leave the field out, and do the work.
                await self._connection.require_protocol(2, _CHECKED)
                setattr(request, _CHECKED, True)
            elif not name.startswith(_READING):
                raise InvalidParamsError(f"{name} has no plan: it is done at once")
            return await method(request)

        return call
