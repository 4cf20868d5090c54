"""Where a result or a saved session comes from: method, data, ids, version, format."""

import json
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import HeldIds
from gleann.index.errors import CorruptDataError
from gleann.index.parallel.blocks import block_slices
from gleann.index.texts import Texts
from gleann.selection.saved import Saved

HASH_BLOCK = 1024
"""String ids padded at a time, as one may be far longer than the others."""

_SEAL = "checksums"
_COMPARED = ("format", "data_hash", "ids_hash")
"""Parts without a checksum: they are compared with those of the data.
"""


def fingerprint(*arrays: NDArray[Any]) -> str:
    """SHA-256 of the arrays' bytes; of an index's vectors it is `index.data_hash`."""
    digest = sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def provenance(
    method: str, *, params: Mapping[str, Any], seed: int | None, data_hash: str | None
) -> dict[str, Any]:
    """The origin of a result, as JSON values.

    Args:
        method: name of the method.
        params: its parameters.
        seed: the only source of its randomness; None if it draws nothing.
        data_hash: of the data it used; None if it used none.
    """
    return {
        "method": method,
        "params": dict(params),
        "seed": seed,
        "data_hash": data_hash,
        "version": _version(),
    }


def ids_hash(ids: HeldIds) -> str:
    """SHA-256 of the ids in row order, independent of the width of their strings."""
    if not isinstance(ids, Texts):
        return sha256(np.ascontiguousarray(ids, "<i8").tobytes()).hexdigest()
    blocks = block_slices(len(ids), HASH_BLOCK)
    width = max(ids[block].to_numpy().dtype.itemsize for block in blocks) // 4
    digest = sha256()
    for block in blocks:
        digest.update(ids[block].to_numpy().astype(f"<U{width}").tobytes())
    return digest.hexdigest()


def sealed(state: dict[str, Any]) -> dict[str, Any]:
    """A session's state with a checksum of each of its parts."""
    seal = {
        name: _checksum(part) for name, part in state.items() if name not in _COMPARED
    }
    return {**state, _SEAL: seal}


def check_format(
    state: Mapping[str, Any], *, expected: str, parts: tuple[str, ...]
) -> Saved:
    """Check the format, parts and checksums of a saved state.

    A state without checksums, written before there were any, is accepted: then only the
    types, lengths and ranges of its parts are checked.

    Args:
        state: of a session.
        expected: its format.
        parts: what it must hold.

    Raises:
        CorruptDataError: another format, a part that is missing, or one that does not
            have its checksum.
    """
    saved = Saved(state)
    if state.get("format") != expected:
        raise CorruptDataError(
            f"expected a state of format {expected}, got {state.get('format')!r:.80}"
        )
    if missing := [part for part in parts if part not in state]:
        raise CorruptDataError(f"the state has no {', '.join(missing)}")
    if _SEAL in state:
        seal = saved.part(_SEAL)
        for name, part in state.items():
            if name not in (_SEAL, *_COMPARED) and seal.text(name) != _checksum(part):
                raise CorruptDataError(
                    f"the state's {name} is not as it was saved: its checksum differs"
                )
    return saved


def check_origin(state: Saved, *, data: str, data_hash: str, ids_hash: str) -> None:
    """Refuse other data or ids than those the session was started with.

    Args:
        state: of a session.
        data: the session's data as the message names it: "vectors" or "proxies".
        data_hash: of the data now.
        ids_hash: of the ids now.

    Raises:
        CorruptDataError: other data, or other ids.
    """
    for noun, was, now in (
        (data, state.text("data_hash"), data_hash),
        ("ids", state.text("ids_hash"), ids_hash),
    ):
        if was != now:
            raise CorruptDataError(
                f"the state is of {noun} {was[:12]}, these are {now[:12]}"
            )


def _checksum(part: Any) -> str:
    """Checksum of a part, the same before and after it is written as JSON."""
    try:
        text = json.dumps(part, sort_keys=True)
    except (TypeError, ValueError, RecursionError) as error:
        raise CorruptDataError(f"the state holds what is no JSON: {error}") from error
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


@cache
def _version() -> str:
    try:
        return installed_version("gleann")
    except PackageNotFoundError:  # run from a source root
        return "unknown"
