"""The choice of a layout by a memory budget."""

from collections.abc import Iterator
from dataclasses import replace

from gleann.index.engines.choose import is_projecting
from gleann.index.errors import InvalidParamsError
from gleann.index.params import BuildParams, EntryCodes, Keep
from gleann.index.sizes import bytes_of, shown_bytes

LAYOUTS: tuple[tuple[Keep, EntryCodes], ...] = (
    ("f32", "copied"),
    ("disk", "copied"),
    ("disk", "shared"),
)
"""Layouts whose distances are exact, the fastest first; each takes less than the last.

`index/DECISIONS.md` has what each costs.
"""

PROJECTED = 256
"""Rows of so many dimensions, which do not fit in the last, are projected to half."""

STEP = 16
"""They are projected to a multiple of this."""

ROW_BYTES: dict[Keep, int] = {"f32": 4, "f16": 2, "bf16": 2, "disk": 0}
"""Bytes a dimension of the rows to re-rank that are in memory."""

BLOCK = 16
"""Entries that are packed side by side; a list is filled up to whole ones."""

ENTRY_BYTES = 16
"""Of an entry beside its code: row, other list, scale and bias."""

ROW_NUMBERS = 8
"""Of a row beside its entries and its id: scale and bias as they are saved."""


def layout_bytes(
    params: BuildParams, *, n: int, dim: int, nlist: int, id_bytes: int = 8
) -> int:
    """Bytes of memory that a loaded index of n rows takes at most.

    Codes are counted in int8, unless `params` say float32, and every row has a second
    entry unless nothing is spilled. Payload is mapped, and not counted.

    Args:
        params: the layout, in which `memory` is not read.
        n: rows.
        dim: their dimensions.
        nlist: lists.
        id_bytes: bytes of an id.
    """
    copies = 1 if params.spill == "none" else 2
    slots = copies * n + nlist * BLOCK  # lists that end within a block
    width = params.projection or dim
    code = dim * 4 if params.codes == "float32" else -(-width // 4) * 4
    is_shared = params.entry_codes == "shared" and params.codes != "float32"
    codes = n * (code + 4) if is_shared else slots * code
    centroids = nlist * (4 * dim + code + 32)
    # As they are saved, at most twice, and packed by the engine.
    packed = -(-width // BLOCK) * BLOCK
    axes = 0 if params.projection is None else 4 * dim * (2 * width + packed)
    rows = ROW_BYTES[params.keep] * n * dim
    numbers = slots * ENTRY_BYTES + n * (ROW_NUMBERS + id_bytes)
    return codes + centroids + axes + rows + numbers


def fit_memory(
    params: BuildParams,
    *,
    n: int,
    dim: int,
    nlist: int,
    id_bytes: int = 8,
    engine: str = "auto",
) -> BuildParams:
    """The parameters with a layout that fits in `params.memory`, and without it.

    Args:
        params: what is not the default of its layout stays as it is.
        n: rows.
        dim: their dimensions.
        nlist: lists.
        id_bytes: bytes of an id.
        engine: the name of the one that is to search it; rows are not projected for
            one that does not search their codes.

    Raises:
        InvalidParamsError: no layout fits; with both numbers.
    """
    if params.memory is None:
        return params
    budget = bytes_of(params.memory, name="memory")
    sizes = {
        layout: layout_bytes(layout, n=n, dim=dim, nlist=nlist, id_bytes=id_bytes)
        for layout in _layouts(replace(params, memory=None), dim=dim, engine=engine)
    }
    for layout, size in sizes.items():
        if size <= budget:
            return layout
    smallest = min(sizes, key=lambda layout: sizes[layout])
    of_engine = "" if is_projecting(engine) else f" that engine {engine!r} searches"
    raise InvalidParamsError(
        f"memory is {shown_bytes(budget)}, and {n:,} rows of {dim} dimensions take"
        f" {shown_bytes(sizes[smallest])} in the smallest layout{of_engine}"
        f" (keep={smallest.keep!r}, entry_codes={smallest.entry_codes!r},"
        f" projection={smallest.projection}, spill={smallest.spill!r})"
    )


def _layouts(params: BuildParams, *, dim: int, engine: str) -> Iterator[BuildParams]:
    """The layouts of rows of `dim` dimensions to choose from, in order."""
    for keep, entry_codes in LAYOUTS:
        smallest = replace(
            params,
            keep=keep if params.keep == "f32" else params.keep,
            entry_codes=(
                entry_codes if params.entry_codes == "copied" else params.entry_codes
            ),
        )
        yield smallest
    whole = params.projection is None and params.codes != "float32"
    if whole and dim >= PROJECTED and is_projecting(engine):
        yield replace(smallest, projection=-(-dim // (2 * STEP)) * STEP)
