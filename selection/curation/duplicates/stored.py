"""Near-duplicates in a file, from which `rethreshold` and `known` go on."""

import json
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any, NoReturn, cast, get_args
from zipfile import BadZipFile

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from gleann.index.arrays import HeldIds
from gleann.index.errors import CorruptDataError, MissingFileError, StorageError
from gleann.index.ids.held import take_ids
from gleann.index.join.block import JoinWork
from gleann.index.params import Metric
from gleann.index.texts import Texts
from gleann.selection.curation.duplicates.groups import Outside, PairTable
from gleann.selection.curation.duplicates.result import Duplicates

FORMAT = "gleann near-duplicates 1"

Arrays = Mapping[str, NDArray[Any]]

_ROW_TYPES: dict[str, type[np.generic]] = {
    "kept": np.bool_,
    "duplicate_of": np.int64,
    "distances": np.float32,
    "first": np.int64,
    "ranks": np.int64,
    "hashes": np.uint64,
    "from_outside": np.bool_,
}
_PAIR_TYPES: dict[str, type[np.generic]] = {
    "pair_rows": np.int32,
    "pair_others": np.int32,
    "pair_distances": np.float32,
}


def save_duplicates(found: Duplicates, path: str | PathLike[str]) -> None:
    """Write an answer to a `.npz` file; an existing file is replaced.

    It has all of the answer but the counts of the join's work, and of the other
    collection the ids of the rows that are the nearest of any row.

    Raises:
        StorageError: the file cannot be written.
    """
    facts = {
        "format": FORMAT,
        "radius": found.radius,
        "metric": found.metric,
        "provenance": found.provenance,
    }
    arrays: dict[str, NDArray[Any]] = {
        "facts": np.frombuffer(json.dumps(facts).encode(), np.uint8),
        **_packed_ids("ids", found.held_ids),
        **{name: getattr(found, name) for name in _ROW_TYPES},
        "pair_rows": found.pairs.rows,
        "pair_others": found.pairs.others,
        "pair_distances": found.pairs.distances,
    }
    if found.outside is not None and found.outside_held is not None:
        arrays["outside_distances"] = found.outside.distances
        near = take_ids(found.outside_held, found.outside.rows)
        arrays |= _packed_ids("outside_ids", near)
    try:
        with Path(path).open("wb") as file:  # NumPy would append .npz to a path
            np.savez(file, allow_pickle=False, **arrays)
    except OSError as error:
        reason = error.strerror or str(error)
        raise StorageError(f"cannot write {path}: {reason}") from error


def load_duplicates(path: str | PathLike[str]) -> Duplicates:
    """Read an answer that `save_duplicates` wrote.

    Raises:
        MissingFileError: there is no such file, or it cannot be read.
        CorruptDataError: it is damaged, or another file.
    """
    arrays = _read(path)
    facts = _facts(path, arrays)
    ids = _unpacked_ids(path, arrays, "ids")
    n = len(ids)
    rows = {
        name: _array(path, arrays, name, kind, n=n) for name, kind in _ROW_TYPES.items()
    }
    pairs = {
        name: _array(path, arrays, name, kind) for name, kind in _PAIR_TYPES.items()
    }
    _require_fit(path, rows, pairs, n=n)
    outside, outside_held = _outside(path, arrays, n=n)
    return Duplicates(
        held_ids=ids,
        radius=facts["radius"],
        metric=cast(Metric, facts["metric"]),
        kept=rows["kept"],
        duplicate_of=rows["duplicate_of"],
        distances=rows["distances"],
        first=rows["first"],
        ranks=rows["ranks"],
        hashes=rows["hashes"],
        from_outside=rows["from_outside"],
        pairs=PairTable(
            rows=pairs["pair_rows"],
            others=pairs["pair_others"],
            distances=pairs["pair_distances"],
        ),
        outside=outside,
        outside_held=outside_held,
        work=JoinWork(),
        provenance=facts["provenance"],
    )


def _packed_ids(name: str, ids: HeldIds) -> dict[str, NDArray[Any]]:
    if not isinstance(ids, Texts):
        return {name: ids}
    text = np.frombuffer(ids.packed(), np.uint8)
    return {f"{name}_text": text, f"{name}_lengths": ids.lengths}


def _unpacked_ids(
    path: str | PathLike[str], arrays: Arrays, name: str, *, n: int | None = None
) -> HeldIds:
    if f"{name}_text" not in arrays:
        return _array(path, arrays, name, np.int64, n=n)
    text = _array(path, arrays, f"{name}_text", np.uint8)
    lengths = _array(path, arrays, f"{name}_lengths", np.int64, n=n)
    try:
        return Texts.of_packed(text.tobytes(), lengths)
    except ValueError as error:
        raise CorruptDataError(f"{path}: its {name} are no texts: {error}") from error


def _read(path: str | PathLike[str]) -> Arrays:
    try:
        with Path(path).open("rb") as file:
            stored = np.load(file, allow_pickle=False)
            if not isinstance(stored, NpzFile):
                raise ValueError(f"an array of shape {stored.shape}, and no .npz")
            with stored:
                return {name: stored[name] for name in stored.files}
    except (ValueError, KeyError, EOFError, BadZipFile, AttributeError) as error:
        raise CorruptDataError(
            f"{path} is no file of near-duplicates: {error}"
        ) from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise MissingFileError(f"cannot read {path}: {reason}") from error


def _facts(path: str | PathLike[str], arrays: Arrays) -> dict[str, Any]:
    raw = _array(path, arrays, "facts", np.uint8)
    try:
        facts = json.loads(raw.tobytes())
    except ValueError as error:
        raise CorruptDataError(f"{path}: its facts are no JSON: {error}") from error
    if not isinstance(facts, dict) or facts.get("format") != FORMAT:
        _refuse(path, f"its format is not {FORMAT!r}")
    if facts.get("metric") not in get_args(Metric):
        _refuse(path, f"its metric is {facts.get('metric')!r}")
    if type(facts.get("radius")) not in (int, float):
        _refuse(path, f"its radius is {facts.get('radius')!r}")
    if not isinstance(facts.get("provenance"), dict):
        _refuse(path, "it has no provenance")
    return facts


def _array(
    path: str | PathLike[str],
    arrays: Arrays,
    name: str,
    kind: type[np.generic],
    *,
    n: int | None = None,
) -> NDArray[Any]:
    if name not in arrays:
        _refuse(path, f"it has no {name}")
    values = arrays[name]
    if values.dtype != kind or values.ndim != 1:
        _refuse(path, f"its {name} are {values.dtype} {values.shape}")
    if n is not None and len(values) != n:
        _refuse(path, f"its {name} have {len(values)} entries, not {n}")
    return values


def _require_fit(
    path: str | PathLike[str], rows: Arrays, pairs: Arrays, *, n: int
) -> None:
    counts = {name: len(values) for name, values in pairs.items()}
    if len(set(counts.values())) != 1:
        _refuse(path, f"its pairs differ in number: {counts}")
    limits = {
        "duplicate_of": (rows["duplicate_of"], -1, n - 1),
        "first": (rows["first"], -1, n - 1),
        "ranks": (rows["ranks"], 0, n),
        "pair_rows": (pairs["pair_rows"], 0, n - 1),
        "pair_others": (pairs["pair_others"], 0, n - 1),
    }
    for name, (values, low, high) in limits.items():
        if len(values) and not (low <= values.min() and values.max() <= high):
            _refuse(
                path,
                f"its {name} must be in {low}..{high}, are in {values.min()}"
                f"..{values.max()}",
            )


def _outside(
    path: str | PathLike[str], arrays: Arrays, *, n: int
) -> tuple[Outside | None, HeldIds | None]:
    """The nearest rows of the other collection, one a row, where there are any."""
    if "outside_distances" not in arrays:
        return None, None
    near = _array(path, arrays, "outside_distances", np.float32, n=n)
    held = _unpacked_ids(path, arrays, "outside_ids", n=n)
    rows = np.where(np.isfinite(near), np.arange(n), -1)
    return Outside(rows=rows, distances=near), held


def _refuse(path: str | PathLike[str], reason: str) -> NoReturn:
    raise CorruptDataError(f"{path} is no file of near-duplicates: {reason}")
