"""Where the indexes of a command are: a server, or a data directory."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from gleann.index.errors import GleannError, InvalidParamsError, MissingFileError
from gleann.service.cli import options
from gleann.service.client.target import TLS_SCHEME, Server, read_target
from gleann.service.client.tls import Tls
from gleann.service.security.headers import read_api_key

if TYPE_CHECKING:
    from gleann.service.client.client import Client

Callback = TypeVar("Callback", bound=Callable[..., None])

KEY_VARIABLE = "GLEANN_API_KEY"
_FILES = (
    (
        "--api-key-file",
        "GLEANN_API_KEY_FILE",
        "File with the API key, instead of the variable",
    ),
    (
        "--ca",
        "GLEANN_TLS_CA",
        "PEM file with the authorities to trust, for grpcs://; the public ones without"
        " it",
    ),
    (
        "--client-cert",
        "GLEANN_TLS_CERT",
        "PEM file with the certificate to show, where the server wants one",
    ),
    ("--client-key", "GLEANN_TLS_KEY", "PEM file with its private key"),
)
"""Options of a connection, their variables and meanings; never a key itself, which
others could see in the list of processes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Parameters that say where the indexes are; jobs inherit them.

    Attributes:
        server: address of a server, or None.
        data: data directory, or None.
        api_key_file: file with the API key of the server, or None.
        ca: file with the authorities that the client trusts, or None.
        client_cert: file with the client's certificate, or None.
        client_key: file with its private key, or None.
    """

    server: str | None
    data: Path | None
    api_key_file: Path | None = None
    ca: Path | None = None
    client_cert: Path | None = None
    client_key: Path | None = None


def place_options(function: Callback) -> Callback:
    """The options --server and --data, and those of a connection."""
    server = click.option(
        "--server",
        metavar="ADDRESS",
        help="Server with the indexes, such as grpc://127.0.0.1:50051 or, by TLS,"
        f" grpcs://host:50051; its API key is read from {KEY_VARIABLE}.",
    )
    data = click.option(
        "--data",
        type=options.PATH,
        help="Data directory with the indexes, if no server has it open.",
    )
    for name, variable, says in reversed(_FILES):
        option = click.option(
            name, type=options.PATH, envvar=variable, help=f"{says} ({variable})."
        )
        function = option(function)
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
def opened(place: Place, *, create: bool = False) -> "Iterator[Client]":
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
    # Not at the start of a command: gRPC takes long to load.
    from gleann.service.client.client import Client

    is_new = create and place.data is not None and not place.data.exists()
    is_empty = False
    try:
        target = _target(place, create=create)
        # A command whose server is not there says so at once.
        with Client(
            target, api_key=_api_key(place), tls=_tls(place), retries=0
        ) as client:
            try:
                yield client
            except GleannError:
                with suppress(GleannError):  # the first error is the one to raise
                    is_empty = is_new and _is_empty(client)
                raise
    finally:
        if is_empty and place.data is not None:
            shutil.rmtree(place.data, ignore_errors=True)


def _is_empty(client: "Client") -> bool:
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
    """The key of the file, or else of the variable.

    Raises:
        MissingFileError: the file cannot be read.
        InvalidParamsError: it has no key.
    """
    if place.server is None:
        return None
    if place.api_key_file is not None:
        return read_api_key(place.api_key_file)
    return os.environ.get(KEY_VARIABLE)


def _tls(place: Place) -> Tls | None:
    """Files of TLS; None without one, or for a place without TLS."""
    if place.server is None or not place.server.startswith(TLS_SCHEME):
        return None
    return Tls(ca=place.ca, cert=place.client_cert, key=place.client_key)
