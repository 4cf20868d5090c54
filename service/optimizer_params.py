"""When an index is compacted by itself, and the state of that."""

from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Literal

from gleann.index.checks import require_integer, require_number
from gleann.index.errors import InvalidParamsError

CompactionKind = Literal["fold", "rebuild"]
"""How newer vectors get into a sealed version: into its lists, or into new ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimizerParams:
    """When an index is compacted by itself. None takes the server's default.

    Attributes:
        enabled: whether an index is compacted by itself.
        pending_share: share of newer vectors among all from which they are folded in,
            in (0, 1].
        removed_share: share of removed rows in the sealed version from which it is
            written anew, in (0, 1].
        drift: mean squared distance of the rows added since the last training to their
            centroids, as a multiple of that of the rows that were trained on, from
            which the lists are trained anew; at least 1.
        min_rows: newer and removed vectors below which nothing is folded in; an index
            that was never built is built at four times as many.
        min_seconds: seconds between two compactions, at least.
        max_seconds: seconds after which even a few changes are folded in; 0 for never.
    """

    enabled: bool | None = None
    pending_share: float | None = None
    removed_share: float | None = None
    drift: float | None = None
    min_rows: int | None = None
    min_seconds: float | None = None
    max_seconds: float | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.enabled, bool | None):
            raise InvalidParamsError(
                f"enabled must be true or false, got {self.enabled!r:.80}"
            )
        _require_share("pending_share", self.pending_share)
        _require_share("removed_share", self.removed_share)
        _require_at_least("drift", self.drift, 1)
        if self.min_rows is not None:
            require_integer("min_rows", self.min_rows, at_least=1)
        _require_at_least("min_seconds", self.min_seconds, 0)
        _require_at_least("max_seconds", self.max_seconds, 0)

    def filled(self, defaults: "OptimizerParams") -> "OptimizerParams":
        """These parameters, and those of `defaults` where they are None."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        given = {name: value for name, value in values.items() if value is not None}
        return replace(defaults, **given)


def _require_share(name: str, value: float | None) -> None:
    if value is None:
        return
    require_number(name, value)
    if not 0 < value <= 1:
        raise InvalidParamsError(f"{name} must be in (0, 1], got {value}")


def _require_at_least(name: str, value: float | None, floor: float) -> None:
    if value is None:
        return
    require_number(name, value)
    if not floor <= value < float("inf"):
        raise InvalidParamsError(
            f"{name} must be a finite number >= {floor}, got {value}"
        )


OPTIMIZER_DEFAULTS = OptimizerParams(
    enabled=True,
    pending_share=0.05,
    removed_share=0.2,
    drift=1.5,
    min_rows=5000,
    min_seconds=10.0,
    max_seconds=86_400.0,
)
"""Of a server that sets nothing else (`service/DECISIONS.md` 31)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimizerState:
    """The state of an index's compaction.

    Attributes:
        params: when it is compacted, with the server's defaults filled in.
        pending_share: share of newer vectors among all.
        removed_share: share of removed rows in the sealed version.
        drift: of its lists, as in `OptimizerParams`; None while unknown.
        decision: what would be done now, and why, in a sentence.
        operation: the compaction under way, such as "operations/3f2a", or None.
        last_kind: how the last one went about it, or None before the first.
        last_time: when it ended, UTC, or None.
        last_error: why it failed, or None if it did not.
    """

    params: OptimizerParams
    pending_share: float
    removed_share: float
    decision: str
    drift: float | None = None
    operation: str | None = None
    last_kind: CompactionKind | None = None
    last_time: datetime | None = None
    last_error: str | None = None
