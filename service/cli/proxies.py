"""Read the proxies of `gleann estimate`."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gleann.index.errors import InvalidInputError
from gleann.selection.checks import IdMap
from gleann.service.cli import inputs


def read_proxies(
    paths: tuple[Path, ...],
) -> tuple[IdMap, dict[str, NDArray[np.float64]]]:
    """Proxies by the names of their files, all in the order of the first one's ids."""
    if len({path.name for path in paths}) != len(paths):
        raise InvalidInputError(
            f"{len(paths)} proxies need different file names, got"
            f" {', '.join(path.name for path in paths)}"
        )
    names, first = _read_proxy(paths[0])
    proxies = {paths[0].name: first}
    for path in paths[1:]:
        others, proxy = _read_proxy(path)
        if len(proxy) != len(first):
            raise InvalidInputError(
                f"{path} has {len(proxy)} proxies, {paths[0]} has {len(first)}"
            )
        proxies[path.name] = proxy[others.rows_of(names.ids)]
    return names, proxies


def _read_proxy(path: Path) -> tuple[IdMap, NDArray[np.float64]]:
    if path.suffix == ".npy":
        proxy = inputs.read_array(path)
        return IdMap(None, n=len(proxy)), inputs.as_numbers(path, proxy)
    table = inputs.read_table(path, columns=("id", "proxy"))
    ids = inputs.column_array(path, table, "id")
    proxy = inputs.column_array(path, table, "proxy")
    return IdMap(ids, n=len(ids)), inputs.as_numbers(path, proxy)
