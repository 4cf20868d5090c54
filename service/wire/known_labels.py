"""Conversion of known labels, an input of estimate sessions."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gleann.index.errors import InvalidInputError
from gleann.index.ids.checks import hold_id_array
from gleann.service.wire.arrays import (
    any_float64s_of,
    bools_of,
    bools_to_wire,
    float64s_to_wire,
    ids_of,
    ids_to_wire,
    labels_of,
    labels_to_wire,
)
from gleann.v1 import estimate_pb2

if TYPE_CHECKING:
    from gleann.selection.estimate import Known, KnownGroups


def known_to_wire(known: "Known | None") -> estimate_pb2.KnownLabels | None:
    """Pack known labels, if any."""
    if known is None:
        return None
    return estimate_pb2.KnownLabels(
        ids=ids_to_wire(hold_id_array(known.ids, name="known ids")),
        positives=bools_to_wire(known.positives, name="known positives"),
        values=_values_to_wire(known.values),
    )


def known_of(request: estimate_pb2.StartEstimateSessionRequest) -> "Known | None":
    """Read known labels, if any."""
    from gleann.selection.estimate import Known

    if not request.HasField("known"):
        return None
    ids = ids_of(request.known.ids, name="known.ids")
    return Known(
        ids=ids,
        positives=bools_of(request.known.positives, name="known.positives", n=len(ids)),
        values=_values_of(request.known, name="known", n=len(ids)),
    )


def fill_known_groups(
    request: estimate_pb2.StartGroupSessionRequest,
    known: "KnownGroups | Mapping[str, Known] | None",
) -> None:
    """Pack known labels of groups: group numbers, or positives by group name.

    Raises:
        InvalidInputError: labels or values of the wrong type, or a group name that is
            not a string.
    """
    if known is None:
        return
    if not isinstance(known, Mapping):
        request.known.add(
            ids=ids_to_wire(hold_id_array(known.ids, name="known ids")),
            groups=estimate_pb2.GroupNumbers(
                numbers=labels_to_wire(known.groups, name="known groups")
            ),
            values=_values_to_wire(known.values),
        )
        return
    for group, one in known.items():
        if not isinstance(group, str):
            raise InvalidInputError(
                f"known groups are named by strings, got {group!r} for one of"
                f" {len(known)}"
            )
        held = bools_to_wire(one.positives, name=f"known positives of {group!r}")
        request.known.add(
            ids=ids_to_wire(hold_id_array(one.ids, name=f"known ids of {group!r}")),
            positives=estimate_pb2.GroupPositives(group=group, positives=held),
            values=_values_to_wire(one.values, name=f"known values of {group!r}"),
        )


def known_groups_of(
    request: estimate_pb2.StartGroupSessionRequest,
) -> "KnownGroups | None":
    """Read known group numbers, if any.

    Raises:
        InvalidInputError: labels of the other kind, or more than one entry.
    """
    from gleann.selection.estimate import KnownGroups

    if not request.known:
        return None
    _require_kind(request, "groups")
    if len(request.known) > 1:
        raise InvalidInputError(
            "known labels that name the group come in 1 entry, got"
            f" {len(request.known)}"
        )
    message = request.known[0]
    ids = ids_of(message.ids, name="known.ids")
    return KnownGroups(
        ids=ids,
        groups=labels_of(message.groups.numbers, n=len(ids), name="known.groups"),
        values=_values_of(message, name="known", n=len(ids)),
    )


def known_by_group_of(
    request: estimate_pb2.StartGroupSessionRequest,
) -> "dict[str, Known] | None":
    """Read known labels of overlapping groups by name, if any.

    Raises:
        InvalidInputError: labels of the other kind, or a repeated group.
    """
    from gleann.selection.estimate import Known

    if not request.known:
        return None
    _require_kind(request, "positives")
    names = [one.positives.group for one in request.known]
    if len(set(names)) != len(names):
        raise InvalidInputError(
            f"{len(names)} entries of known labels are of {len(set(names))} groups:"
            f" {names}"
        )
    found = {}
    for one in request.known:
        name = f"known of {one.positives.group!r}"
        ids = ids_of(one.ids, name=f"{name}.ids")
        held = bools_of(one.positives.positives, name=f"{name}.positives", n=len(ids))
        found[one.positives.group] = Known(
            ids=ids, positives=held, values=_values_of(one, name=name, n=len(ids))
        )
    return found


def _require_kind(request: estimate_pb2.StartGroupSessionRequest, wanted: str) -> None:
    for one in request.known:
        if (kind := one.WhichOneof("labels")) != wanted:
            raise InvalidInputError(
                f"known labels must be {wanted} here, got {kind or 'neither'}"
            )


def _values_to_wire(
    values: ArrayLike | None, *, name: str = "known values"
) -> bytes | None:
    return None if values is None else float64s_to_wire(values, name=name)


def _values_of(
    message: estimate_pb2.KnownLabels | estimate_pb2.KnownGroupLabels,
    *,
    name: str,
    n: int,
) -> NDArray[np.float64] | None:
    """Values (n,); the session requires finite ones for positives only."""
    if not message.HasField("values"):
        return None
    return any_float64s_of(message.values, name=f"{name}.values", n=n)
