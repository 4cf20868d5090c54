"""Conversion of joint estimates, their parameters and what is known of every vector."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import HeldIds
from gleann.index.errors import DimensionMismatchError, InvalidInputError
from gleann.index.ids.checks import hold_id_array
from gleann.service.wire.arrays import (
    Column,
    any_float64s_of,
    column_of,
    column_to_wire,
    ids_of,
    ids_to_wire,
)
from gleann.service.wire.estimate_messages import candidates_of, fill_named
from gleann.service.wire.fields import enum_text, fill, given
from gleann.v1 import means_pb2

if TYPE_CHECKING:
    from gleann.selection.estimate.means import (
        JointEstimates,
        MeanEstimate,
        MeansParams,
    )

_OPTIONAL = (
    "value",
    "low",
    "high",
    "standard_error",
    "stratified_value",
    "stratified_width",
    "uniform_width",
)
"""What an average without a value lacks."""


def means_params_to_wire(params: "MeansParams") -> means_pb2.MeansParams:
    """Pack parameters."""
    values = asdict(params)
    message = means_pb2.MeansParams()
    for one in values.pop("statistics"):
        fill(message.statistics.add(), one)
    fill(message, values)
    return message


def means_params_of(message: means_pb2.MeansParams) -> "MeansParams":
    """Read parameters.

    Raises:
        InvalidParamsError: a parameter out of its range.
    """
    from gleann.selection.estimate.means import MeansParams, Statistic

    values = given(message)
    values.pop("statistics", None)
    statistics = tuple(
        Statistic(**{"name": "", **given(one)}) for one in message.statistics
    )
    return MeansParams(statistics=statistics, **{"budget": 0, **values})


def fill_known(
    request: means_pb2.StartMeansSessionRequest,
    controls: Mapping[str, Column | str],
    groups: Mapping[str, Column | str],
) -> None:
    """Pack controls and groups by name: their numbers, or a column of payload.

    Raises:
        InvalidInputError: groups that are neither integers nor strings.
    """
    for name, control in controls.items():
        if isinstance(control, str):
            request.control_columns.add(name=name, column=control)
        else:
            fill_named(request.controls, {name: control})
    for name, group in groups.items():
        if isinstance(group, str):
            request.group_columns.add(name=name, column=group)
            continue
        ids, values = group
        request.groups.add(
            ids=ids_to_wire(hold_id_array(ids, name=f"ids of groups {name!r}")),
            groups=column_to_wire(name, values),
        )


def controls_of(
    request: means_pb2.StartMeansSessionRequest,
) -> dict[str, tuple[HeldIds, NDArray[np.float64]] | str]:
    """Read ids (m,) and numbers (m,), or a column of payload, by name.

    Raises:
        InvalidInputError: a repeated name.
    """
    given_ones = candidates_of(request.controls)
    return {**given_ones, **_columns_of(request.control_columns, given_ones)}


def groups_of(
    request: means_pb2.StartMeansSessionRequest,
) -> dict[str, tuple[HeldIds, NDArray[np.generic]] | str]:
    """Read ids (m,) and groups (m,), or a column of payload, by name.

    Raises:
        InvalidInputError: a repeated name, or neither integers nor strings.
        DimensionMismatchError: not one for each id.
    """
    given_ones = _given_groups(request.groups)
    return {**given_ones, **_columns_of(request.group_columns, given_ones)}


def _columns_of(
    columns: Sequence[means_pb2.NamedColumn], others: Collection[str]
) -> dict[str, str]:
    """The column of each name, none of which is there already."""
    found: dict[str, str] = {}
    for one in columns:
        if one.name in found or one.name in others:
            raise InvalidInputError(
                f"two of {len(columns) + len(others)} controls or groups are named"
                f" {one.name!r}"
            )
        found[one.name] = one.column
    return found


def _given_groups(
    groups: Sequence[means_pb2.KnownGroups],
) -> dict[str, tuple[HeldIds, NDArray[np.generic]]]:
    found: dict[str, tuple[HeldIds, NDArray[np.generic]]] = {}
    for one in groups:
        name = one.groups.name
        if name in found:
            raise InvalidInputError(f"two of {len(groups)} groups are named {name!r}")
        ids = ids_of(one.ids, name=f"groups {name!r}.ids")
        values = column_of(one.groups, name=f"groups {name!r}")
        if len(values) != len(ids):
            raise DimensionMismatchError(
                f"groups {name!r} has {len(values)} entries for {len(ids)} ids"
            )
        found[name] = ids, values
    return found


def values_to_wire(values: NDArray[np.generic]) -> bytes:
    """Pack values (m, J) or (m,), row by row.

    Raises:
        InvalidInputError: not numbers.
    """
    if values.dtype.kind not in "fiub":
        raise InvalidInputError(f"values must be numbers, got {values.dtype}")
    return np.ascontiguousarray(values, "<f8").tobytes()


def values_of(data: bytes, *, n: int, statistics: int) -> NDArray[np.float64]:
    """Unpack values (n, statistics).

    Raises:
        DimensionMismatchError: not one for each id and statistic.
    """
    if len(data) != 8 * n * statistics:
        raise DimensionMismatchError(
            f"values has {len(data)} bytes for {n} ids and {statistics} statistics of 8"
            " bytes each"
        )
    return np.frombuffer(data, "<f8").reshape(n, statistics)


def means_to_wire(made: "JointEstimates") -> means_pb2.JointEstimates:
    """Pack joint estimates."""
    message = means_pb2.JointEstimates(
        covariance=values_to_wire(made.covariance),
        confidence=made.confidence,
        quantile=made.quantile,
        lambdas=values_to_wire(made.lambdas),
        labels_used=made.labels_used,
        rows=made.rows,
        provenance_json=json.dumps(made.provenance),
    )
    for one in made.estimates:
        fill(message.estimates.add(), asdict(one))
    return message


def means_of(message: means_pb2.JointEstimates) -> "JointEstimates":
    """Read joint estimates."""
    from gleann.selection.estimate.means import JointEstimates

    count = len(message.estimates)
    covariance = any_float64s_of(message.covariance, name="covariance", n=count * count)
    lambdas = np.frombuffer(message.lambdas, "<f8")
    return JointEstimates(
        estimates=tuple(map(_mean_of, message.estimates)),
        covariance=covariance.reshape(count, count),
        confidence=message.confidence,
        quantile=message.quantile,
        lambdas=lambdas.reshape(-1, count),
        labels_used=message.labels_used,
        rows=message.rows,
        provenance=json.loads(message.provenance_json),
    )


def _mean_of(message: means_pb2.MeanEstimate) -> "MeanEstimate":
    from gleann.selection.estimate.means import MeanEstimate

    optional = {
        name: getattr(message, name) if message.HasField(name) else None
        for name in _OPTIONAL
    }
    kinds = message.DESCRIPTOR.fields_by_name["kind"].enum_type
    return MeanEstimate(
        name=message.name,
        kind=enum_text(kinds, message.kind),
        **optional,
        interval_valid=message.interval_valid,
        note=message.note,
    )
