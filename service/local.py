"""In-process stubs: call the servicers directly, without a socket or serialization."""

import atexit
from collections.abc import Callable
from os import PathLike
from pathlib import Path

from google.protobuf.message import Message

from gleann.index.errors import ServiceError
from gleann.service.application import Application
from gleann.service.calls.process import OwnProcess
from gleann.service.config import Config
from gleann.service.servicers.active import ActiveServicer
from gleann.service.servicers.admin import AdminServicer
from gleann.service.servicers.coreset import CoresetServicer
from gleann.service.servicers.curation import CurationServicer
from gleann.service.servicers.estimate import EstimateServicer
from gleann.service.servicers.index import IndexServicer
from gleann.service.servicers.job import JobServicer
from gleann.service.servicers.means import MeansServicer
from gleann.service.servicers.operations import OperationsServicer
from gleann.service.servicers.promise import PromiseServicer
from gleann.service.servicers.rounds import RoundsServicer
from gleann.service.servicers.search import SearchServicer
from gleann.service.servicers.session import SessionServicer
from gleann.service.servicers.snapshot import SnapshotServicer
from gleann.service.servicers.vector import VectorServicer
from gleann.service.stubs import Stubs

EVERYWHERE = (Path("/"),)
"""In process, files are used with the caller's own rights: there is nobody to jail."""
ANY_URL = tuple(
    f"{scheme}://" for scheme in ("s3", "gs", "az", "http", "https", "file")
)
"""Likewise, object stores."""


def open_directory(directory: str | PathLike[str]) -> Stubs:
    """Open a data directory in this process.

    Raises:
        NotReadyError: another process has the directory open.
        StorageError: it cannot be created or written.
        CorruptDataError: its contents cannot be read.
    """
    config = Config(
        data_dir=Path(directory),
        import_roots=EVERYWHERE,
        import_urls=ANY_URL,
        export_roots=EVERYWHERE,
    )
    return application_stubs(Application(config))


def application_stubs(application: Application) -> Stubs:
    """Stubs that call `application`; closing them closes it."""
    state = _State(application)
    return Stubs(
        index=_Direct(IndexServicer(application), state),
        vector=_Direct(VectorServicer(application), state),
        search=_Direct(SearchServicer(application), state),
        coreset=_Direct(CoresetServicer(application), state),
        curation=_Direct(CurationServicer(application), state),
        active=_Direct(ActiveServicer(application), state),
        rounds=_Direct(RoundsServicer(application), state),
        estimate=_Direct(EstimateServicer(application), state),
        promise=_Direct(PromiseServicer(application), state),
        means=_Direct(MeansServicer(application), state),
        session=_Direct(SessionServicer(application), state),
        snapshot=_Direct(SnapshotServicer(application), state),
        admin=_Direct(AdminServicer(application), state),
        job=_Direct(JobServicer(application), state),
        operations=_Direct(OperationsServicer(application), state),
        close=state.close,
    )


class _State:
    """Whether the application is open, and in this process."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._process = OwnProcess()
        self._open = True
        # A thread of long work that the end of the process finds in native code would
        # abort it.
        atexit.register(self.close)

    def require_open(self) -> None:
        self._process.require()
        if not self._open:
            raise ServiceError("the client is closed")

    def close(self) -> None:
        """Close it; in a fork, leave it to the process that opened it."""
        if self._open and not self._process.forked:
            self._open = False
            atexit.unregister(self.close)
            self._application.close()


class _Direct:
    """Calls the methods of a servicer like a stub."""

    def __init__(self, servicer: object, state: _State) -> None:
        self._servicer = servicer
        self._state = state

    def __getattr__(self, name: str) -> Callable[[Message], Message]:
        method = getattr(self._servicer, name)
        require_open = self._state.require_open

        def call(request: Message) -> Message:
            require_open()
            return method(request, None)

        return call
