"""Conversion of a sealed index to the arrays and header of its files, and back."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import HeldIds, Vectors
from gleann.index.codes import Codes, Encoding, decoded_norms
from gleann.index.effort import EffortPoint
from gleann.index.engines.contract import IndexData
from gleann.index.errors import CorruptDataError, InvalidParamsError
from gleann.index.lists import InvertedLists
from gleann.index.operating_points import OperatingPoint, SpillReport
from gleann.index.params import BuildParams, CodeKind, Metric
from gleann.index.storage.loaded_checks import (
    check_codes,
    check_efforts,
    check_ids,
    check_lengths,
    check_lists,
    check_points,
    check_shapes,
    check_spill_report,
    check_text_offsets,
    check_training,
    require,
)
from gleann.index.storage.manifest import VERSION
from gleann.index.texts import Texts
from gleann.index.training import Training

Array = NDArray[Any]

_DTYPES = {
    "centroids": "<f4",
    "list_offsets": "<i8",
    "list_mids": "<i8",
    "entry_rows": "<i4",
    "entry_others": "<i4",
    "vectors": "<f4",
}
_CENTER = {"center": "<f4"}
_CODES = {"codes": "|i1", "code_scales": "<f4"}
_BIASES = {"code_biases": "<f4"}
_INT_IDS = {"ids": "<i8"}
_STRING_IDS = {"id_offsets": "<i8", "id_bytes": "|u1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The metadata of an index.

    Attributes:
        params: how it was built.
        points: operating points, if any were measured.
        primary_points: the same without second copies, if there are any.
        spill_report: the reason for the choice of spilling, if it was "auto".
        training: what its lists were trained on; None where an older gleann built it.
        efforts: settings of the effort that save work, if there are any.
    """

    params: BuildParams
    points: tuple[OperatingPoint, ...] = ()
    primary_points: tuple[OperatingPoint, ...] = ()
    spill_report: SpillReport | None = None
    training: Training | None = None
    efforts: tuple[EffortPoint, ...] = ()


def pack_codes(codes: Codes, encoding: Encoding) -> dict[str, Array]:
    """The arrays of `FORMAT.md` that hold what is scanned of every row."""
    arrays: dict[str, Array] = {"center": encoding.center}
    if encoding.kind == "int8":
        arrays |= {"codes": codes.values, "code_scales": codes.scales}
    if codes.biases is not None:
        arrays["code_biases"] = codes.biases
    return arrays


def pack_lists(
    centroids: Vectors, lists: InvertedLists, ids: HeldIds
) -> dict[str, Array]:
    """The other arrays of `FORMAT.md`."""
    arrays: dict[str, Array] = {
        "centroids": centroids,
        "list_offsets": lists.offsets,
        "list_mids": lists.mids,
        "entry_rows": lists.rows,
        "entry_others": lists.others,
    }
    return arrays | _pack_ids(ids)


def pack_header(header: Header, encoding: Encoding) -> dict[str, Any]:
    """The header of `FORMAT.md`, in values that JSON has."""
    values: dict[str, Any] = {
        "codes": encoding.kind,
        "params": asdict(header.params),
        "operating_points": [asdict(point) for point in header.points],
    }
    if header.primary_points:
        values["primary_points"] = [asdict(point) for point in header.primary_points]
    if header.spill_report is not None:
        values["spill_report"] = asdict(header.spill_report)
    if header.efforts:
        values["efforts"] = [asdict(point) for point in header.efforts]
    if header.training is not None:
        values["training"] = asdict(header.training)
    return values


def unpack(
    arrays: Mapping[str, Array], header: Mapping[str, Any], version: int = VERSION
) -> tuple[IndexData, HeldIds, Header]:
    """Rebuild what was taken apart, after checking that the parts fit together.

    Args:
        arrays: by name.
        header: beside them.
        version: of the format they are in, one of those that manifests may have.

    Raises:
        CorruptDataError: an array is missing, or has the wrong dtype, shape or range.
    """
    known = _unpack_header(header)
    if version == 1:
        arrays, known = _upgraded(arrays, known)
        header = {**header, "codes": known.params.codes}
    encoding = _unpack_encoding(arrays, header, known.params.metric)
    _check_dtypes(arrays, _DTYPES | _CENTER | _code_dtypes(encoding))
    check_shapes(arrays)
    check_lengths(arrays)
    data = IndexData(
        encoding=encoding,
        centroids=arrays["centroids"],
        lists=InvertedLists(
            offsets=arrays["list_offsets"],
            mids=arrays["list_mids"],
            rows=arrays["entry_rows"],
            others=arrays["entry_others"],
        ),
        codes=_unpack_codes(arrays, encoding),
        vectors=arrays["vectors"],
    )
    _check_loaded(data, known)
    ids = _unpack_ids(arrays)
    check_ids(ids)
    return data, ids, known


def _check_loaded(data: IndexData, header: Header) -> None:
    n, nlist = len(data.vectors), data.lists.nlist
    check_lists(data.lists, n=n)
    check_codes(data.codes, data.encoding)
    check_points(header.points, name="operating_points", n=n, nlist=nlist)
    check_points(header.primary_points, name="primary_points", n=n, nlist=nlist)
    check_efforts(header.efforts, n=n, nlist=nlist)
    if header.spill_report is not None:
        check_spill_report(header.spill_report)
    if header.training is not None:
        check_training(header.training, n=n)


def _upgraded(
    arrays: Mapping[str, Array], known: Header
) -> tuple[dict[str, Array], Header]:
    """Version 1, all of whose codes are plain int8, as version 2 has the same."""
    _check_dtypes(arrays, _DTYPES | _CODES)
    check_shapes(arrays)
    plain = Encoding.uncentred(known.params.metric, arrays["vectors"].shape[1])
    upgraded = dict(arrays) | {"center": plain.center}
    if plain.has_biases:
        codes = Codes(values=arrays["codes"], scales=arrays["code_scales"])
        upgraded["code_biases"] = decoded_norms(codes)
    return upgraded, replace(known, params=replace(known.params, codes="int8"))


def _unpack_encoding(
    arrays: Mapping[str, Array], header: Mapping[str, Any], metric: Metric
) -> Encoding:
    kinds: dict[object, CodeKind] = {kind: kind for kind in get_args(CodeKind)}
    kind = kinds.get(str(header.get("codes")))
    if kind is None:
        raise CorruptDataError(f"the index has codes of kind {header.get('codes')!r}")
    center = arrays.get("center", np.empty(0, "<f4"))
    require(center.dtype.str == "<f4", f"center is {center.dtype.str}")
    return Encoding(metric=metric, kind=kind, center=center)


def _code_dtypes(encoding: Encoding) -> dict[str, str]:
    """The arrays that `encoding` needs besides those that every index has."""
    codes = _CODES if encoding.kind == "int8" else {}
    return codes | (_BIASES if encoding.has_biases else {})


def _unpack_codes(arrays: Mapping[str, Array], encoding: Encoding) -> Codes:
    biases = arrays.get("code_biases")
    if encoding.kind == "float32":
        return encoding.whole(arrays["vectors"], biases)
    return Codes(values=arrays["codes"], scales=arrays["code_scales"], biases=biases)


def _unpack_header(header: Mapping[str, Any]) -> Header:
    try:
        report, training = header.get("spill_report"), header.get("training")
        return Header(
            params=BuildParams(**header["params"]),
            points=_unpack_points(header["operating_points"]),
            primary_points=_unpack_points(header.get("primary_points", [])),
            spill_report=None if report is None else _unpack_report(report),
            efforts=tuple(EffortPoint(**p) for p in header.get("efforts", [])),
            training=None if training is None else Training(**training),
        )
    except (AttributeError, LookupError, TypeError, InvalidParamsError) as error:
        raise CorruptDataError(f"the index header does not fit: {error}") from error


def _unpack_points(points: list[dict[str, Any]]) -> tuple[OperatingPoint, ...]:
    return tuple(OperatingPoint(**point) for point in points)


def _unpack_report(report: Mapping[str, Any]) -> SpillReport:
    lists = {name: tuple(v) for name, v in report.items() if isinstance(v, list)}
    return SpillReport(**{**report, **lists})


def _pack_ids(ids: HeldIds) -> dict[str, Array]:
    if not isinstance(ids, Texts):
        return {"ids": ids}
    return {
        "id_offsets": ids.offsets - ids.offsets[0],
        "id_bytes": np.frombuffer(ids.packed(), np.uint8),
    }


def _unpack_ids(arrays: Mapping[str, Array]) -> HeldIds:
    if "ids" in arrays:
        return arrays["ids"]
    check_text_offsets(arrays["id_offsets"], size=len(arrays["id_bytes"]))
    try:
        lengths = np.diff(arrays["id_offsets"])
        return Texts.of_packed(arrays["id_bytes"].tobytes(), lengths)
    except ValueError as error:
        raise CorruptDataError(f"the ids cannot be read: {error}") from error


def _check_dtypes(arrays: Mapping[str, Array], expected: dict[str, str]) -> None:
    """Check that an index has these arrays and ids."""
    expected = expected | (_INT_IDS if "ids" in arrays else _STRING_IDS)
    if set(arrays) != set(expected):
        raise CorruptDataError(
            f"the index has arrays {sorted(arrays)}, expected {sorted(expected)}"
        )
    for name, dtype in expected.items():
        require(arrays[name].dtype.str == dtype, f"{name} is {arrays[name].dtype.str}")
