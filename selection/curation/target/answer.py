"""The rows chosen for targets, as a `Selection`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gleann.index.arrays import Rows
from gleann.selection.among import origin_of
from gleann.selection.curation.target.pool import Pool
from gleann.selection.curation.target.targets import CheckedTargets
from gleann.selection.curation.target.turns import Entry
from gleann.selection.provenance import fingerprint, provenance
from gleann.selection.result import Selection


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Chosen:
    """Rows in the order they were chosen, and why each was.

    Attributes:
        rows: int64 (b,).
        why: one array (b,) per reason.
        weights: float32 (b,), the rows of the pool that each stands for; None where it
            stands for itself.
        targets: int64 (b,), the target that each was chosen for; None without any.
    """

    rows: Rows
    why: Mapping[str, NDArray[Any]]
    weights: NDArray[np.float32] | None = None
    targets: Rows | None = None

    @classmethod
    def of_entries(cls, entries: Sequence[Entry]) -> "Chosen":
        """Rows that targets chose."""
        return cls(
            rows=np.array([entry.row for entry in entries], np.int64),
            targets=np.array([entry.target for entry in entries], np.int64),
            why={
                "distance": np.array([one.distance for one in entries], np.float32),
                "depth": np.array([one.place for one in entries], np.int64),
            },
        )


def selection_of(  # noqa: PLR0913 (what was chosen, from what, for what, how)
    chosen: Chosen,
    pool: Pool,
    targets: CheckedTargets,
    *,
    method: str,
    budget: int,
    params: Mapping[str, Any],
    facts: Mapping[str, float | int | str | bool],
    seed: int | None = None,
) -> Selection:
    """The answer of a method, with its shortfall and its origin.

    Args:
        chosen: the rows.
        pool: what they were chosen from.
        targets: what they were chosen for.
        method: its name.
        budget: rows that were to be chosen.
        params: further parameters, for the provenance.
        facts: further facts, for the summary.
        seed: the only source of randomness; None if nothing was drawn.
    """
    count = len(chosen.rows)
    weights = np.ones(count, np.float32) if chosen.weights is None else chosen.weights
    kind = "none" if chosen.weights is None else "inverse_probability"
    return Selection(
        rows=chosen.rows,
        ids=pool.ids_of(chosen.rows),
        scores=np.arange(count, 0, -1, dtype=np.float32),
        weights=weights,
        why={**_reasons(chosen, targets), **chosen.why},
        summary={
            "method": method,
            "budget": budget,
            "shortfall": budget - count,
            "targets": len(targets),
            "weights": kind,
            **facts,
        },
        provenance=provenance(
            method,
            params={
                "budget": budget,
                "targets": len(targets),
                "targets_hash": fingerprint(targets.vectors),
                "excluded": int(pool.size - np.count_nonzero(pool.is_open)),
                "capped": pool.capped,
                **params,
            },
            seed=seed,
            data_hash=pool.index.data_hash,
        )
        | origin_of(pool.among),
    )


def _reasons(chosen: Chosen, targets: CheckedTargets) -> dict[str, NDArray[Any]]:
    """The target of each row, and its task where there are tasks."""
    if chosen.targets is None:
        return {}
    if targets.tasks is None:
        return {"target": chosen.targets}
    return {"target": chosen.targets, "task": targets.tasks.names(chosen.targets)}
