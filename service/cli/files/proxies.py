"""Read the proxies of `gleann estimate`."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gleann.index.errors import InvalidInputError
from gleann.selection.checks import IdMap
from gleann.service.cli.files import columns, inputs
from gleann.service.cli.files.inputs import ID_COLUMN
from gleann.service.cli.files.tables import Table, read_table


def by_file_name(paths: Sequence[Path]) -> dict[str, Path]:
    """Paths by file name.

    Raises:
        InvalidInputError: two files with the same name.
    """
    if len({path.name for path in paths}) != len(paths):
        raise InvalidInputError(
            f"{len(paths)} proxies need different file names, got"
            f" {', '.join(path.name for path in paths)}"
        )
    return {path.name: path for path in paths}


def read_proxies(
    paths: Mapping[str, Path],
) -> tuple[IdMap, dict[str, NDArray[np.float64]]]:
    """Proxies by name, at least one, in the id order of the first."""
    (name, one), *others = paths.items()
    names, first = _read_first(one)
    proxies = {name: first}
    for name, path in others:
        proxies[name] = _read_other(path, names, first=one)
    return names, proxies


def _read_first(path: Path) -> tuple[IdMap, NDArray[np.float64]]:
    """The ids that define the items, and their proxies."""
    if _is_array(path):
        proxy = columns.numbers(inputs.array_table(path, "proxy"), "proxy")
        return IdMap(None, n=len(proxy)), proxy
    table = read_table(path, columns=(ID_COLUMN, "proxy"))
    ids = columns.own_ids(table, ID_COLUMN)
    return IdMap(ids, n=len(ids)), columns.numbers(table, "proxy")


def _read_other(path: Path, names: IdMap, *, first: Path) -> NDArray[np.float64]:
    """Proxies of the items `names`, which come from the file `first`."""
    if _is_array(path):
        table = inputs.array_table(path, "proxy")
        named = Table.of_array(path, ID_COLUMN, np.arange(len(table)))
    else:
        table = named = read_table(path, columns=(ID_COLUMN, "proxy"))
    proxy = columns.numbers(table, "proxy")
    if len(proxy) != len(names):
        raise InvalidInputError(
            f"{path} has {len(proxy)} proxies, {first} has {len(names)}"
        )
    ordered = np.empty_like(proxy)
    ordered[columns.rows_in(named, ID_COLUMN, names)] = proxy
    return ordered


def _is_array(path: Path) -> bool:
    return path.suffix.lower() == ".npy"
