"""Progress of a build or a neighbour graph, as callbacks receive it."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a build is in its current phase.

    Attributes:
        phase: "prepare" (on disk only), "train", "assign", "tune", "encode", then
            "done"; "copy", "assign", "encode" and "done" where newer rows are folded
            in; "plan" and "join" for a neighbour graph; "read", "join", "search" and
            "choose" for near-duplicates and leakage. A build of shards has "place" and
            "gather" before "train", and "write" after "tune". "open" where a cluster
            opens shards.
        done: units of this phase finished.
        total: units of this phase in all.
    """

    phase: str
    done: int
    total: int


Report = Callable[[Progress], None]


def ignore(progress: Progress) -> None:
    """A progress callback that does nothing."""
