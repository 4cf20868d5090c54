"""Where the indexes of a command are: a server, or a data directory."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import click

from gleann.index.errors import GleannError, InvalidParamsError, MissingFileError
from gleann.service.cli import options
from gleann.service.client.client import Client
from gleann.service.client.target import Server, read_target

Callback = TypeVar("Callback", bound=Callable[..., None])

KEY_VARIABLE = "GLEANN_API_KEY"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Parameters that say where the indexes are; jobs inherit them.

    Attributes:
        server: address of a server, or None.
        data: data directory, or None.
    """

    server: str | None
    data: Path | None


def place_options(function: Callback) -> Callback:
    """The options --server and --data."""
    server = click.option(
        "--server",
        metavar="ADDRESS",
        help="Server with the indexes, such as grpc://127.0.0.1:50051; its API key is"
        f" read from {KEY_VARIABLE}.",
    )
    data = click.option(
        "--data",
        type=options.PATH,
        help="Data directory with the indexes, if no server has it open.",
    )
    return server(data(function))


def confirm(question: str) -> None:
    """Ask a question whose answer must be yes for the command to go on.

    Raises:
        InvalidParamsError: nobody can be asked.
        click.Abort: the answer is no.
    """
    if not sys.stdin.isatty():
        raise InvalidParamsError(f"{question} stdin is no terminal: add --yes")
    click.confirm(question, abort=True)


@contextmanager
def opened(place: Place, *, create: bool = False) -> Iterator[Client]:
    """A client of the place that the options name.

    Args:
        place: of a job.
        create: whether a data directory that is missing is made; it is removed if the
            command fails and has stored nothing in it.

    Raises:
        InvalidParamsError: not exactly one of the options, or no address.
        MissingFileError: there is no such directory.
        NotReadyError: another process has the directory open.
    """
    is_new = create and place.data is not None and not place.data.exists()
    is_empty = False
    try:
        with Client(_target(place, create=create), api_key=_api_key(place)) as client:
            try:
                yield client
            except GleannError:
                with suppress(GleannError):  # the first error is the one to raise
                    is_empty = is_new and _is_empty(client)
                raise
    finally:
        if is_empty and place.data is not None:
            shutil.rmtree(place.data, ignore_errors=True)


def _is_empty(client: Client) -> bool:
    """Whether nothing is lost with a data directory."""
    return not client.list_indexes() and not client.snapshots.list()


def _target(place: Place, *, create: bool) -> str | Path:
    if (place.server is None) == (place.data is None):
        number = "neither" if place.server is None else "both"
        raise InvalidParamsError(
            f"--server or --data says where the indexes are: {number} is given"
        )
    if place.server is not None:
        if not isinstance(read_target(place.server), Server):
            raise InvalidParamsError(
                f"--server is an address such as grpc://127.0.0.1:50051, got"
                f" {place.server!r}"
            )
        return place.server
    assert place.data is not None
    if not create and not place.data.is_dir():
        raise MissingFileError(f"--data {place.data}: there is no such directory")
    return place.data


def _api_key(place: Place) -> str | None:
    return os.environ.get(KEY_VARIABLE) if place.server is not None else None
