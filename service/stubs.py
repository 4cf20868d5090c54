"""Stubs: the RPCs that a client calls, in this process or over a channel."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Stubs:
    """One object per gRPC service; its methods take a request and return a response.

    The methods are blocking, or awaited: see `gleann.service.client.link`.

    They raise the exceptions of `gleann.index.errors`, in process and remotely.

    Attributes:
        index: IndexService.
        vector: VectorService.
        search: SearchService.
        coreset: CoresetService.
        curation: CurationService.
        active: ActiveLearningService.
        rounds: RoundsService.
        estimate: EstimateService.
        session: SessionService.
        snapshot: SnapshotService.
        admin: AdminService.
        job: JobService.
        operations: google.longrunning.Operations.
        close: closes the connection; awaited where the methods are.
        ready: waits at most so many seconds until calls are served, and raises
            `UnavailableError` if they are not; awaited where the methods are.
    """

    index: Any
    vector: Any
    search: Any
    coreset: Any
    curation: Any
    active: Any
    rounds: Any
    estimate: Any
    session: Any
    snapshot: Any
    admin: Any
    job: Any
    operations: Any
    close: Callable[[], Any]
    ready: Callable[[float], Any] = lambda _: None
