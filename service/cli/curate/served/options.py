"""Options of a command that a server can answer, and what it then refuses."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypedDict, TypeVar, cast

import click
from click.core import ParameterSource

from gleann.index.errors import InvalidInputError
from gleann.service.cli import options
from gleann.service.cli.place import Place, place_options

Callback = TypeVar("Callback", bound=Callable[..., None])
Run = TypeVar("Run", bound=Callable[..., None])

OWN_PAYLOAD = "a condition is on the columns of the index"
PAGE = "a page needs the vectors here; the record has the numbers"

NOT_SERVED: Mapping[str, str] = MappingProxyType(
    {
        "report": PAGE,
        "show_column": PAGE,
        "image_column": PAGE,
        "class_column": PAGE,
        "show_from": PAGE,
        "payload": OWN_PAYLOAD,
        "vectors_column": "SOURCE is an index and has no columns of a file",
        "id_column": "SOURCE is an index and has no columns of a file",
        "metric": "the index has its own metric",
        "threads": "the server decides over its cores",
    }
)
"""Parameters that no served command takes, with the reason."""


class Filter(TypedDict, total=False):
    """A condition as calls of a client take it; empty for none."""

    where: str
    parameters: Sequence[object]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedOptions(options.AmongOptions):
    """Parameters that say who answers; jobs inherit them.

    Attributes:
        server: address of a server, or None.
        data: data directory, or None. Without both the command works on files here.
        api_key_file: as in `Place`.
        ca: as in `Place`.
        client_cert: as in `Place`.
        client_key: as in `Place`.
        operation: an operation that has been started before, or None.
        dry_run: whether the job is only checked, and what it would take is said.
    """

    server: str | None = None
    data: Path | None = None
    api_key_file: Path | None = None
    ca: Path | None = None
    client_cert: Path | None = None
    client_key: Path | None = None
    operation: str | None = None
    dry_run: bool = False

    @property
    def is_served(self) -> bool:
        """Whether a server or a data directory has the items.

        Raises:
            InvalidInputError: --operation or --dry-run, and neither; or both of them.
        """
        served = self.server is not None or self.data is not None
        if self.operation is not None and not served:
            raise InvalidInputError(
                "--operation names work of a server: give --server or --data too"
            )
        if self.dry_run and not served:
            raise InvalidInputError(
                "--dry-run asks where the index is: give --server or --data too"
            )
        if self.dry_run and self.operation is not None:
            raise InvalidInputError(
                f"--dry-run starts nothing, and {self.operation} was started before:"
                " give one of --dry-run and --operation"
            )
        return served

    @property
    def place(self) -> Place:
        """Where the indexes are."""
        return Place(
            server=self.server,
            data=self.data,
            api_key_file=self.api_key_file,
            ca=self.ca,
            client_cert=self.client_cert,
            client_key=self.client_key,
        )

    @property
    def filter(self) -> Filter:
        """The condition, as calls of a client take it.

        Raises:
            InvalidFilterError: --param without --where.
        """
        condition = self.condition
        if condition is None:
            return {}
        return {"where": condition.where, "parameters": condition.parameters}

    @property
    def shown_place(self) -> str:
        """The address or the directory."""
        return self.server if self.server is not None else str(self.data)

    @property
    def flag(self) -> str:
        """The option that names the place."""
        return "--server" if self.data is None else "--data"


def served_options(function: Callback) -> Callback:
    """The options of a place, --operation and --dry-run."""
    operation = click.option(
        "--operation",
        metavar="NAME",
        help="With --server or --data: write the result of this operation, which was"
        " started before, such as operations/3f2a; the parameters are those of then.",
    )
    dry_run = click.option(
        "--dry-run",
        is_flag=True,
        help="With --server or --data: only check the request, and say what it would do"
        " and take.",
    )
    return place_options(operation(dry_run(function)))


def served_by(where: str) -> Callable[[Run], Run]:
    """Let another function answer a job whose items are at a server.

    Args:
        where: module in `gleann.service.cli.curate` and its function, such as
            "similar.served:join_served"; it is loaded when it is needed, as gRPC is.
    """

    def decorate(function: Run) -> Run:
        @wraps(function)
        def run(job: ServedOptions) -> None:
            if not job.is_served:
                function(job)
                return
            name, _, attribute = where.partition(":")
            module = import_module(f"gleann.service.cli.curate.{name}")
            getattr(module, attribute)(job)

        return cast("Run", run)

    return decorate


def refuse(job: ServedOptions, reasons: Mapping[str, str]) -> None:
    """Refuse options that were typed and that a server cannot follow.

    Args:
        job: of the running command.
        reasons: by parameter, besides those of `NOT_SERVED`; "" allows one of these.

    Raises:
        InvalidInputError: with the option and the reason.
    """
    context = click.get_current_context()
    known = {**NOT_SERVED, **reasons}
    for parameter in context.command.params:
        name = str(parameter.name)
        typed = context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        if typed and known.get(name):
            flag = max(parameter.opts, key=len)
            raise InvalidInputError(f"{flag} is not for {job.flag}: {known[name]}")


def typed(job: object, names: Iterable[str]) -> dict[str, Any]:
    """The parameters of a job that were typed, so that others keep the server's."""
    context = click.get_current_context()
    return {
        name: getattr(job, name)
        for name in names
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }


def payload_column(given: str | None, flag: str) -> str:
    """The column of payload that :COLUMN names; "" for none.

    Raises:
        InvalidInputError: a file, which the server does not have.
    """
    if given is None:
        return ""
    if not given.startswith(":") or given == ":":
        raise InvalidInputError(
            f"{flag} {given!r} names a file, and a server reads a column of the index:"
            f" store it there, and give {flag} :COLUMN"
        )
    return given[1:]
