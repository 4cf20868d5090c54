"""Options and ids that several commands on rows share."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click
import numpy as np

from gleann.index.arrays import Ids
from gleann.index.errors import InvalidInputError, InvalidParamsError
from gleann.index.ids.held import to_numpy
from gleann.service.cli import options
from gleann.service.cli.collections.row_sinks import ROW_SUFFIXES
from gleann.service.cli.files import columns, inputs, output_paths
from gleann.service.cli.files.output_paths import OutputPath
from gleann.service.client.client import Client

Callback = TypeVar("Callback", bound=Callable[..., None])

NAME = click.argument("name")


def ids_options(function: Callback) -> Callback:
    """The argument ID... and the option --ids."""
    named = click.argument("id", nargs=-1)
    file = click.option(
        "--ids",
        type=options.PATH,
        help="File of ids in place of ID: .npy, or a table with a column id.",
    )
    return named(file(function))


def columns_option(function: Callback) -> Callback:
    """The option --columns."""
    return click.option(
        "--columns",
        default="*",
        metavar="A,B",
        help="Columns of payload; all by default, '' for none.",
    )(function)


def rows_out_options(function: Callback) -> Callback:
    """The options --with-vectors, --out and --overwrite."""
    vectors = click.option(
        "--with-vectors", is_flag=True, help="Also the vectors, in the column vector."
    )
    out = click.option(
        "--out",
        type=options.PATH,
        help=f"File to write ({', '.join(ROW_SUFFIXES)}); by default, JSON lines are"
        " printed.",
    )
    return vectors(out(options.overwrite_option(function)))


def named_columns(text: str) -> list[str]:
    """The columns of the option --columns."""
    return [name for name in text.split(",") if name]


def require_out(out: Path | None, *, overwrite: bool) -> None:
    """Refuse an output that cannot be written, before any work."""
    if out is not None:
        file = OutputPath(flag="--out", path=out, suffixes=ROW_SUFFIXES)
        output_paths.require_writable(file, overwrite=overwrite)


def given_ids(
    client: Client, name: str, *, written: tuple[str, ...], file: Path | None
) -> Ids:
    """The ids of ID... or --ids, of the kind that the index has.

    Raises:
        InvalidParamsError: both or neither.
        InvalidInputError: an id that is no integer, where the ids are.
    """
    if bool(written) == (file is not None):
        number = "both are given" if written else "neither is given"
        raise InvalidParamsError(f"ID or --ids says which rows: {number}")
    is_text = client.get_index(name).id_type == "string"
    if file is not None:
        table = inputs.read_column(file, inputs.ID_COLUMN)
        if is_text and table.is_csv:
            return np.array(table.columns[inputs.ID_COLUMN].to_pylist(), np.str_)
        return to_numpy(columns.own_ids(table, inputs.ID_COLUMN))
    if is_text:
        return np.array(written, np.str_)
    return np.array([_integer(text, name) for text in written], np.int64)


def _integer(text: str, name: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 18:
        raise InvalidInputError(f"the ids of {name} are integers, got {text!r:.60}")
    return int(text)
