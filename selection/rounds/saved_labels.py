"""Labels of a rounds session as JSON values; any integers are classes."""

from typing import Any

import numpy as np

from gleann.selection.active.labels import Labels
from gleann.selection.active.questions import LARGEST
from gleann.selection.among import Among
from gleann.selection.saved import Saved


def labels_state(labels: Labels) -> dict[str, Any]:
    """JSON values of rows, their labels, and ignored rows."""
    return {
        "rows": labels.rows.tolist(),
        "labels": labels.answers[:, 0].tolist(),
        "ignored": np.flatnonzero(labels.ignored).tolist(),
    }


def labels_of_state(state: Saved, *, n: int, among: Among | None = None) -> Labels:
    """Rebuild from `state`, over `n` rows, of which those `among` may be picked.

    Raises:
        CorruptDataError: rows that are not there or are there twice, or labels that are
            not theirs.
    """
    rows = state.rows("rows", n=n)
    answers = state.integers("labels", low=-LARGEST - 1, length=len(rows))
    ignored = state.rows("ignored", n=n)
    if (both := np.intersect1d(rows, ignored)).size:
        state.refuse("ignored", f"has {both.size} rows that are labelled")
    labels = Labels(n, questions=1, among=among)
    labels.add(rows, answers[:, None])
    labels.ignored[ignored] = True
    return labels
