"""The parts of an audit as flat tables: curves, groups and parts."""

from typing import Any

import numpy as np

from gleann.index.tables.tabular import as_json
from gleann.selection.curation.audit.result import Audit

Columns = dict[str, np.ndarray[Any, Any]]


def coverage_lines(audit: Audit) -> Columns:
    """A line for each set, size and share: set, size, share, radius, mean."""
    lines = [
        (one.name, size, share, radius, mean)
        for one in audit.sets
        if (curve := one.coverage) is not None
        for size, radii, mean in zip(
            curve.sizes.tolist(),
            curve.radii.tolist(),
            curve.means.tolist(),
            strict=True,
        )
        for share, radius in zip(curve.shares, radii, strict=True)
    ]
    names, sizes, shares, radii, means = zip(*lines, strict=True)
    return {
        "set": np.array(names),
        "size": np.array(sizes, np.int64),
        "share": np.array(shares),
        "radius": np.array(radii),
        "mean": np.array(means),
    }


def group_lines(audit: Audit) -> Columns:
    """A line for each column of labels and group: its rows, shares and their ratio."""
    tables = audit.tables
    return {
        "column": _texts([one.column for one in tables for _ in one.groups]),
        "group": _texts([group for one in tables for group in one.groups.tolist()]),
        "pool": _joined([one.pool for one in tables], np.int64),
        "chosen": _joined([one.chosen for one in tables], np.int64),
        "pool_share": _joined([one.pool_shares for one in tables], np.float64),
        "chosen_share": _joined([one.chosen_shares for one in tables], np.float64),
        "ratio": _joined([one.ratios for one in tables], np.float64),
    }


def part_lines(audit: Audit) -> Columns:
    """A line for each part: its rows, and what it adds to the score of each order."""
    parts = audit.parts
    gains = {
        f"gain_{order:g}": np.array([one.gains[number] for one in parts])
        for number, order in enumerate(audit.orders)
    }
    return {
        "part": _texts([one.part for one in parts]),
        "rows": np.array([one.rows for one in parts], np.int64),
        **gains,
    }


def _texts(values: list[Any]) -> np.ndarray[Any, Any]:
    """Values (m,) as texts, as columns of labels may be of different kinds."""
    texts = np.empty(len(values), object)
    texts[:] = [str(as_json(value)) for value in values]
    return texts


def _joined(parts: list[Any], dtype: type) -> np.ndarray[Any, Any]:
    return np.concatenate([np.empty(0, dtype), *parts])
