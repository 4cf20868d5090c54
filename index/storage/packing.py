"""Conversion of a sealed index to the arrays and header of its files, and back."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, cast, get_args

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import HeldIds, RowMatrix, Vectors
from gleann.index.codes import Codes, Encoding, decoded_norms
from gleann.index.engines.contract import IndexData
from gleann.index.errors import CorruptDataError, InvalidParamsError
from gleann.index.kept.disk_rows import DiskRows
from gleann.index.lists import InvertedLists
from gleann.index.operating.points import (
    EffortPoint,
    Measured,
    OperatingPoint,
    Pool,
    SpillReport,
)
from gleann.index.params import BuildParams, CodeKind, Keep
from gleann.index.projection import Projection
from gleann.index.storage.loaded_checks import (
    check_codes,
    check_efforts,
    check_ids,
    check_lengths,
    check_lists,
    check_points,
    check_pools,
    check_shapes,
    check_spill_report,
    check_text_offsets,
    check_training,
    require,
)
from gleann.index.storage.manifest import VERSION
from gleann.index.storage.row_layout import check_layout, unpack_rows
from gleann.index.texts import Texts
from gleann.index.training import Training

Array = NDArray[Any]

_DTYPES = {
    "centroids": "<f4",
    "list_offsets": "<i8",
    "list_mids": "<i8",
    "entry_rows": "<i4",
    "entry_others": "<i4",
}
_CENTER = {"center": "<f4"}
_ROW_AXES = {"projection_rows": "<f4"}
_QUERY_AXES = {"projection_queries": "<f4"}
_CODES = {"codes": "|i1", "code_scales": "<f4"}
_BIASES = {"code_biases": "<f4"}
_INT_IDS = {"ids": "<i8"}
_STRING_IDS = {"id_offsets": "<i8", "id_bytes": "|u1"}


_LAYOUT = {
    field.name: field.default
    for field in fields(BuildParams)
    if field.name in ("keep", "entry_codes", "projection")
}
"""Parameters of how an index is held, and what they are where a file does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The metadata of an index.

    Attributes:
        params: how it was built.
        points: operating points, if any were measured.
        primary_points: the same without second copies, if there are any.
        pools: rows to re-rank by the lists scanned, if that was measured.
        spill_report: the reason for the choice of spilling, if it was "auto".
        training: what its lists were trained on; None where an older gleann built it.
        efforts: settings of the effort that save work, if there are any.
    """

    params: BuildParams
    points: tuple[OperatingPoint, ...] = ()
    primary_points: tuple[OperatingPoint, ...] = ()
    pools: tuple[Pool, ...] = ()
    spill_report: SpillReport | None = None
    training: Training | None = None
    efforts: tuple[EffortPoint, ...] = ()

    @property
    def measured(self) -> Measured:
        """What searches of both segments are planned by."""
        return Measured(points=self.points, pools=self.pools, efforts=self.efforts)


def pack_codes(codes: Codes, encoding: Encoding) -> dict[str, Array]:
    """The arrays of `FORMAT.md` that hold what is scanned of every row."""
    arrays = pack_encoding(encoding)
    if encoding.kind == "int8":
        arrays |= {"codes": np.asarray(codes.values), "code_scales": codes.scales}
    if codes.biases is not None:
        arrays["code_biases"] = codes.biases
    return arrays


def pack_encoding(encoding: Encoding) -> dict[str, Array]:
    """The arrays of `FORMAT.md` that hold what rows are coded by."""
    arrays: dict[str, Array] = {"center": encoding.center}
    if (projection := encoding.projection) is not None:
        arrays["projection_rows"] = projection.row_axes
        if not projection.is_orthonormal:
            arrays["projection_queries"] = projection.query_axes
    return arrays


def pack_lists(
    centroids: Vectors, lists: InvertedLists, ids: HeldIds
) -> dict[str, Array]:
    """The other arrays of `FORMAT.md`."""
    return pack_entries(centroids, lists) | pack_ids(ids)


def pack_entries(centroids: Vectors, lists: InvertedLists) -> dict[str, Array]:
    """The arrays of `FORMAT.md` that hold the lists."""
    return {
        "centroids": centroids,
        "list_offsets": lists.offsets,
        "list_mids": lists.mids,
        "entry_rows": lists.rows,
        "entry_others": lists.others,
    }


def pack_header(header: Header, encoding: Encoding) -> dict[str, Any]:
    """The header of `FORMAT.md`, in values that JSON has."""
    params = asdict(header.params)
    del params["memory"]  # a layout was chosen
    layout = {name: params.pop(name) for name in _LAYOUT}
    values: dict[str, Any] = {
        "codes": encoding.kind,
        "params": params,
        "operating_points": [asdict(point) for point in header.points],
    }
    # Older readers serve the same files in their own way, and ignore this.
    if changed := {name: v for name, v in layout.items() if v != _LAYOUT[name]}:
        values["layout"] = changed
    if header.primary_points:
        values["primary_points"] = [asdict(point) for point in header.primary_points]
    if header.pools:
        values["pools"] = [asdict(pool) for pool in header.pools]
    if header.spill_report is not None:
        values["spill_report"] = asdict(header.spill_report)
    if header.efforts:
        values["efforts"] = [asdict(point) for point in header.efforts]
    if header.training is not None:
        values["training"] = asdict(header.training)
    return values


def unpack(
    arrays: Mapping[str, Array | DiskRows],
    header: Mapping[str, Any],
    version: int = VERSION,
    rerank_layout: object = None,
) -> tuple[IndexData, HeldIds, Header]:
    """Rebuild what was taken apart, after checking that the parts fit together.

    Args:
        arrays: by name.
        header: beside them.
        version: of the format they are in, one of those that manifests may have.
        rerank_layout: the entry of rows in another precision; None without one.

    Raises:
        CorruptDataError: an array is missing, or has the wrong dtype, shape or range.
    """
    known = unpack_header(header)
    keep = known.params.keep
    check_layout(rerank_layout, keep)
    arrays, rows = _without_rows(arrays, keep)
    if version == 1:
        arrays, known = _upgraded(arrays, rows, known)
        header = {**header, "codes": known.params.codes}
    encoding = unpack_encoding(arrays, header, known.params)
    _check_dtypes(arrays, _DTYPES | _CENTER | _code_dtypes(encoding))
    check_shapes(arrays, rows.shape, code_dim=known.params.projection)
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
        codes=_unpack_codes(arrays, encoding, rows),
        vectors=rows,
        entry_codes=known.params.entry_codes,
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
    check_pools(header.pools, n=n, nlist=nlist)
    check_efforts(header.efforts, n=n, nlist=nlist)
    if header.spill_report is not None:
        check_spill_report(header.spill_report)
    if header.training is not None:
        check_training(header.training, n=n)


def _without_rows(
    arrays: Mapping[str, Array | DiskRows], keep: Keep
) -> tuple[dict[str, Array], RowMatrix]:
    """The arrays but the rows, and the rows."""
    others = dict(arrays)
    if "vectors" not in others:
        raise CorruptDataError(f"the index has arrays {sorted(others)}, no vectors")
    rows = unpack_rows(others.pop("vectors"), keep)
    return cast(dict[str, Array], others), rows


def _upgraded(
    arrays: Mapping[str, Array], rows: RowMatrix, known: Header
) -> tuple[dict[str, Array], Header]:
    """Version 1, all of whose codes are plain int8, as version 2 has the same."""
    _check_dtypes(arrays, _DTYPES | _CODES)
    check_shapes(arrays, rows.shape)
    plain = Encoding.uncentred(known.params.metric, rows.shape[1])
    upgraded = dict(arrays) | {"center": plain.center}
    if plain.has_biases:
        codes = Codes(values=arrays["codes"], scales=arrays["code_scales"])
        upgraded["code_biases"] = decoded_norms(codes)
    return upgraded, replace(known, params=replace(known.params, codes="int8"))


def unpack_encoding(
    arrays: Mapping[str, Array], header: Mapping[str, Any], params: BuildParams
) -> Encoding:
    """What `pack_encoding` packed.

    Raises:
        CorruptDataError: it does not fit the header.
    """
    kinds: dict[object, CodeKind] = {kind: kind for kind in get_args(CodeKind)}
    kind = kinds.get(str(header.get("codes")))
    if kind is None:
        raise CorruptDataError(f"the index has codes of kind {header.get('codes')!r}")
    center = arrays.get("center", np.empty(0, "<f4"))
    require(center.dtype.str == "<f4", f"center is {center.dtype.str}")
    encoding = Encoding(metric=params.metric, kind=kind, center=center)
    if params.projection is None:
        return encoding
    require(kind == "int8", f"there is a projection, and codes of kind {kind}")
    row_axes = arrays.get("projection_rows", np.empty((0, 0), "<f4"))
    query_axes = arrays.get("projection_queries", row_axes)
    projection = Projection(center=center, row_axes=row_axes, query_axes=query_axes)
    return replace(encoding, projection=projection)


def _code_dtypes(encoding: Encoding) -> dict[str, str]:
    """The arrays that `encoding` needs besides those that every index has."""
    expected = dict(_CODES) if encoding.kind == "int8" else {}
    if (projection := encoding.projection) is not None:
        expected |= _ROW_AXES
        if not projection.is_orthonormal:
            expected |= _QUERY_AXES
    return expected | (_BIASES if encoding.has_biases else {})


def _unpack_codes(
    arrays: Mapping[str, Array], encoding: Encoding, rows: RowMatrix
) -> Codes:
    biases = arrays.get("code_biases")
    if encoding.kind == "float32":
        return encoding.whole(rows, biases)
    return Codes(values=arrays["codes"], scales=arrays["code_scales"], biases=biases)


def unpack_header(header: Mapping[str, Any]) -> Header:
    """What `pack_header` packed.

    Raises:
        CorruptDataError: it does not fit.
    """
    try:
        report, training = header.get("spill_report"), header.get("training")
        return Header(
            params=BuildParams(**header["params"], **header.get("layout", {})),
            points=_unpack_points(header["operating_points"]),
            primary_points=_unpack_points(header.get("primary_points", [])),
            pools=tuple(Pool(**pool) for pool in header.get("pools", [])),
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


def pack_ids(ids: HeldIds) -> dict[str, Array]:
    """The arrays of `FORMAT.md` that hold the ids (n,)."""
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
