"""Between a sealed index in memory and the arrays and header that storage keeps."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Ids, Vectors
from gleann.index.choose_spill import SpillReport
from gleann.index.codes import Codes
from gleann.index.engines.contract import IndexData
from gleann.index.errors import CorruptDataError, InvalidParamsError
from gleann.index.lists import InvertedLists
from gleann.index.loaded_checks import (
    check_ids,
    check_lists,
    check_points,
    check_scales,
    check_shapes,
    check_spill_report,
    check_text_offsets,
    require,
)
from gleann.index.params import BuildParams
from gleann.index.tune import OperatingPoint
from gleann.index.utf8 import decode_texts, encode_texts

Array = NDArray[Any]

_DTYPES = {
    "centroids": "<f4",
    "list_offsets": "<i8",
    "list_mids": "<i8",
    "entry_rows": "<i4",
    "entry_others": "<i4",
    "codes": "|i1",
    "code_scales": "<f4",
    "vectors": "<f4",
}
_INT_IDS = {"ids": "<i8"}
_STRING_IDS = {"id_offsets": "<i8", "id_bytes": "|u1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What is known of an index beside its arrays.

    Attributes:
        params: how it was built.
        points: operating points, if any were measured.
        primary_points: the same without second copies, where there are some.
        spill_report: why spilling was chosen or not, where it was "auto".
    """

    params: BuildParams
    points: tuple[OperatingPoint, ...] = ()
    primary_points: tuple[OperatingPoint, ...] = ()
    spill_report: SpillReport | None = None


def pack_rows(data: IndexData) -> dict[str, Array]:
    """The arrays of `FORMAT.md` that hold something of every row."""
    return {
        "vectors": data.vectors,
        "codes": data.codes.values,
        "code_scales": data.codes.scales,
    }


def pack_lists(centroids: Vectors, lists: InvertedLists, ids: Ids) -> dict[str, Array]:
    """The other arrays of `FORMAT.md`."""
    arrays: dict[str, Array] = {
        "centroids": centroids,
        "list_offsets": lists.offsets,
        "list_mids": lists.mids,
        "entry_rows": lists.rows,
        "entry_others": lists.others,
    }
    return arrays | _pack_ids(ids)


def pack_header(header: Header) -> dict[str, Any]:
    """The header of `FORMAT.md`, in values that JSON has."""
    values: dict[str, Any] = {
        "params": asdict(header.params),
        "operating_points": [asdict(point) for point in header.points],
    }
    if header.primary_points:
        values["primary_points"] = [asdict(point) for point in header.primary_points]
    if header.spill_report is not None:
        values["spill_report"] = asdict(header.spill_report)
    return values


def unpack(
    arrays: Mapping[str, Array], header: Mapping[str, Any]
) -> tuple[IndexData, Ids, Header]:
    """Rebuild what was taken apart, after checking that the parts fit together.

    Raises:
        CorruptDataError: an array is missing, or has the wrong dtype, shape or range.
    """
    known = _unpack_header(header)
    ids_dtypes = _INT_IDS if "ids" in arrays else _STRING_IDS
    _check_dtypes(arrays, _DTYPES | ids_dtypes)
    check_shapes(arrays)
    data = IndexData(
        metric=known.params.metric,
        centroids=arrays["centroids"],
        lists=InvertedLists(
            offsets=arrays["list_offsets"],
            mids=arrays["list_mids"],
            rows=arrays["entry_rows"],
            others=arrays["entry_others"],
        ),
        codes=Codes(values=arrays["codes"], scales=arrays["code_scales"]),
        vectors=arrays["vectors"],
    )
    _check_loaded(data, known)
    ids = _unpack_ids(arrays)
    check_ids(ids)
    return data, ids, known


def _check_loaded(data: IndexData, header: Header) -> None:
    n, nlist = len(data.vectors), data.lists.nlist
    check_lists(data.lists, n=n)
    check_scales(data.codes.scales)
    check_points(header.points, name="operating_points", n=n, nlist=nlist)
    check_points(header.primary_points, name="primary_points", n=n, nlist=nlist)
    if header.spill_report is not None:
        check_spill_report(header.spill_report)


def _unpack_header(header: Mapping[str, Any]) -> Header:
    try:
        report = header.get("spill_report")
        return Header(
            params=BuildParams(**header["params"]),
            points=_unpack_points(header["operating_points"]),
            primary_points=_unpack_points(header.get("primary_points", [])),
            spill_report=None if report is None else _unpack_report(report),
        )
    except (AttributeError, LookupError, TypeError, InvalidParamsError) as error:
        raise CorruptDataError(f"the index header does not fit: {error}") from error


def _unpack_points(points: list[dict[str, Any]]) -> tuple[OperatingPoint, ...]:
    return tuple(OperatingPoint(**point) for point in points)


def _unpack_report(report: Mapping[str, Any]) -> SpillReport:
    lists = {name: tuple(v) for name, v in report.items() if isinstance(v, list)}
    return SpillReport(**{**report, **lists})


def _pack_ids(ids: Ids) -> dict[str, Array]:
    if ids.dtype.kind != "U":
        return {"ids": ids}
    text, lengths = encode_texts(ids)
    return {
        "id_offsets": np.concatenate([[0], np.cumsum(lengths)]),
        "id_bytes": np.frombuffer(text, np.uint8),
    }


def _unpack_ids(arrays: Mapping[str, Array]) -> Ids:
    if "ids" in arrays:
        return arrays["ids"]
    check_text_offsets(arrays["id_offsets"], size=len(arrays["id_bytes"]))
    try:
        return decode_texts(arrays["id_bytes"], np.diff(arrays["id_offsets"]))
    except ValueError as error:
        raise CorruptDataError(f"the ids cannot be read: {error}") from error


def _check_dtypes(arrays: Mapping[str, Array], expected: Mapping[str, str]) -> None:
    if set(arrays) != set(expected):
        raise CorruptDataError(
            f"the index has arrays {sorted(arrays)}, expected {sorted(expected)}"
        )
    for name, dtype in expected.items():
        require(arrays[name].dtype.str == dtype, f"{name} is {arrays[name].dtype.str}")
