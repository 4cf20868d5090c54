"""Conversion of choices for targets."""

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any

from gleann.index.errors import InvalidInputError, InvalidParamsError
from gleann.index.nouns import number_of
from gleann.service.wire.arrays import (
    ids_of,
    vectors_of,
)
from gleann.service.wire.fields import enum_text
from gleann.v1 import target_pb2

if TYPE_CHECKING:
    from gleann.selection.curation.target import Targets

OPTIONS_OF: Mapping[str, tuple[str, ...]] = {
    "round_robin": ("target_recall",),
    "best_rank": ("target_recall", "seed"),
    "resample": ("seed", "shares", "smoothing"),
    "distil": ("target_recall", "seed", "sample_size", "positive_fraction"),
}
"""Fields of the message that each mode reads, besides those of all; the seed is also
that of the draws that a choice is compared with."""


def fill_caps(
    message: target_pb2.ForTarget, caps: int | Mapping[Any, int] | None
) -> None:
    """Set one cap for all groups, or caps by group."""
    if isinstance(caps, Mapping):
        for group, cap in caps.items():
            message.caps.add(group=str(group), cap=cap)
    elif caps is not None:
        message.cap = caps


def targets_of(message: target_pb2.ForTarget) -> "Targets":
    """The targets and their tasks.

    Raises:
        InvalidInputError: none, or not packed as they must be.
    """
    from gleann.selection.curation.target import Targets

    kind = message.WhichOneof("targets")
    tasks = list(message.tasks) or None
    if kind == "target_ids":
        return Targets(
            ids=ids_of(message.target_ids, name="target_ids"),
            tasks=tasks,
            own_rows="allow" if message.allow_targets else "exclude",
        )
    if kind is None:
        raise InvalidInputError("targets are required: target_vectors or target_ids")
    rows = vectors_of(message.target_vectors, name="target_vectors")
    return Targets(vectors=rows, tasks=tasks)


def mode_of(message: target_pb2.ForTarget) -> str:
    """The mode, such as "round_robin".

    Raises:
        InvalidParamsError: a number that this version does not know.
    """
    number = message.mode or target_pb2.TARGET_MODE_ROUND_ROBIN
    return str(enum_text(target_pb2.TargetMode.DESCRIPTOR, number))


def options_of(message: target_pb2.ForTarget) -> dict[str, Any]:
    """The options of the mode that are set.

    Raises:
        InvalidParamsError: an option of another mode, or a task twice in shares.
    """
    mode = mode_of(message)
    found: dict[str, Any] = {
        name: getattr(message, name)
        for name in sorted({one for some in OPTIONS_OF.values() for one in some})
        if name != "shares" and message.HasField(name)
    }
    if message.shares:
        found["shares"] = {one.task: one.share for one in message.shares}
        if len(found["shares"]) < len(message.shares):
            raise InvalidParamsError(
                f"shares has {number_of(len(message.shares), 'entries')} of"
                f" {len(found['shares'])} tasks"
            )
    if mode == "round_robin":
        found.pop("seed", None)
    if strange := [name for name in found if name not in OPTIONS_OF[mode]]:
        raise InvalidParamsError(
            f"{strange[0]} is not for {mode}; its options are:"
            f" {', '.join(OPTIONS_OF[mode])}"
        )
    return found


def caps_of(message: target_pb2.ForTarget) -> int | dict[Hashable, int] | None:
    """The cap of all groups, or caps by group; None for none.

    Raises:
        InvalidParamsError: both, one without a column, or a group twice.
    """
    by_group: dict[Hashable, int] = {one.group: one.cap for one in message.caps}
    if message.HasField("cap") and by_group:
        raise InvalidParamsError("give cap or caps, got both")
    if len(by_group) < len(message.caps):
        raise InvalidParamsError(
            f"caps has {number_of(len(message.caps), 'entries')} of"
            f" {number_of(len(by_group), 'groups')}"
        )
    caps = message.cap if message.HasField("cap") else by_group or None
    if (caps is None) != (not message.group_column):
        given, missing = ("group_column", "cap or caps")
        if caps is not None:
            given, missing = missing, given
        raise InvalidParamsError(f"{given} needs {missing}")
    return caps
