"""Read the proxies of `gleann estimate`."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gleann.index.errors import InvalidInputError
from gleann.selection.checks import IdMap
from gleann.service.cli.files import inputs


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
    (_, one), *others = paths.items()
    names, first = _read_proxy(one)
    proxies = {next(iter(paths)): first}
    for name, path in others:
        ids, proxy = _read_proxy(path)
        if len(proxy) != len(first):
            raise InvalidInputError(
                f"{path} has {len(proxy)} proxies, {one} has {len(first)}"
            )
        proxies[name] = proxy[ids.rows_of(names.held)]
    return names, proxies


def _read_proxy(path: Path) -> tuple[IdMap, NDArray[np.float64]]:
    if path.suffix == ".npy":
        proxy = inputs.read_array(path)
        return IdMap(None, n=len(proxy)), inputs.as_numbers(path, proxy)
    table = inputs.read_table(path, columns=("id", "proxy"))
    ids = inputs.column_array(path, table, "id")
    proxy = inputs.column_array(path, table, "proxy")
    return IdMap(ids, n=len(ids)), inputs.as_numbers(path, proxy)
