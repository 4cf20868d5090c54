"""A session of labels that a server or a data directory keeps."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from numpy.typing import ArrayLike

from gleann.index.arrays import Ids
from gleann.index.errors import InvalidInputError, UnknownJobError
from gleann.index.ids.checks import hold_id_array
from gleann.selection.checks import IdMap
from gleann.service.cli.curate.sampled.jobs import SessionOptions
from gleann.service.cli.curate.served.running import full_name
from gleann.service.cli.files.answers import LabelsNeeded, ask_for
from gleann.service.cli.files.manifest import JobRecord
from gleann.service.client.client import Client
from gleann.service.values import Selected, SessionInfo

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

PREFIX = "sessions/"

KEPT_THERE = "the server keeps the session: --session goes on with it"

Start = Callable[[str], SessionInfo]
"""Starts a session; called with a request_id."""


def index_of(job: SessionOptions, index: object) -> str:
    """The name of the index.

    Raises:
        InvalidInputError: none is given.
    """
    if index is None:
        raise InvalidInputError(f"--index is needed with {job.flag}: it has the items")
    return str(index)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Labelling:
    """What tells a session apart, and how its items are labelled.

    Attributes:
        index: its index.
        kind: of the session, such as "promise".
        params: of the session.
        start: starts a session.
        next_batch: the items that the session asks for.
        submit: takes ids and their answers.
        ask: the answers of ids; raises LabelsNeeded.
        names: the ids that may have answers.
    """

    index: str
    kind: str
    params: "DataclassInstance"
    start: Start
    next_batch: Callable[[SessionInfo], Selected]
    submit: Callable[[SessionInfo, Ids, ArrayLike], object]
    ask: Callable[[Ids], ArrayLike]
    names: IdMap


def labelled(
    job: SessionOptions, client: Client, labelling: Labelling, record: JobRecord
) -> SessionInfo:
    """The session of a command, with all its labels.

    Args:
        job: of the command.
        client: of the place.
        labelling: tells the session, and its answers.
        record: has the input files; gets the answers and the index.

    Raises:
        InvalidInputError: --session is of another kind or index.
        UnknownJobError: there is no such session.
        click.exceptions.Exit: some answers are needed.
    """
    session = _session_of(job, client, labelling, record)
    _label(job, session, labelling)
    record.add_file(job.oracle_csv)
    record.add_served(labelling.index, place=job.shown_place, data_hash=None)
    return session


def _session_of(
    job: SessionOptions, client: Client, labelling: Labelling, record: JobRecord
) -> SessionInfo:
    """The session that goes on, or a new one.

    The same command on the same state of the index goes on with its own session.

    Raises:
        InvalidInputError: --session is of another kind or index.
        UnknownJobError: there is no such session.
    """
    kind, index = labelling.kind, labelling.index
    if job.session is None:
        held = client.get_index(index)
        asked: list[object] = [kind, index, held.etag, held.version, held.sequence]
        asked += [asdict(labelling.params), job.where, job.param, job.columns]
        asked += [record.hashes]
        digest = sha256(json.dumps(asked, default=str).encode()).hexdigest()
        return _begun(client, labelling.start, f"gleann-curate-{digest[:32]}")
    session = client.sessions.get(full_name(job.session, PREFIX))
    if (session.kind, session.index) != (kind, index):
        raise InvalidInputError(
            f"--session {session.name} is of kind {session.kind} and the index"
            f" {session.index!r}, not of {kind} and {index!r}"
        )
    return session


def _begun(client: Client, start: Start, request_id: str) -> SessionInfo:
    """The session of a request, or where that was closed, of the next one like it."""
    turn = 0
    while True:
        session = start(f"{request_id}-{turn}")
        try:
            return client.sessions.get(session)
        except UnknownJobError:  # it was closed
            turn += 1


def _label(job: SessionOptions, session: SessionInfo, labelling: Labelling) -> None:
    """Submit the answers, a whole round at a time; write what to label, and exit.

    Raises:
        click.exceptions.Exit: some answers are needed.
    """
    lookup = labelling.names.lookup
    try:
        while len(batch := labelling.next_batch(session)):
            absent = lookup.find(hold_id_array(batch.ids)) < 0
            if absent.any():
                raise LabelsNeeded(batch.ids[absent])
            labelling.submit(session, batch.ids, labelling.ask(batch.ids))
    except LabelsNeeded as needed:
        ask_for(
            {"id": needed.ids},
            job.todo,
            job.oracle_csv,
            then=f"run this again (where the index has changed by then, with --session"
            f" {session.name})",
        )
