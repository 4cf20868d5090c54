"""An audit of leakage as stored tables, and back."""

import numpy as np
import pyarrow as pa
import pyarrow.compute
from numpy.typing import NDArray

from gleann.index.ids.held import joined_ids, take_ids
from gleann.index.params import Metric
from gleann.selection.curation.leakage import Leakage, LeakedPairs
from gleann.service.jobs.curation.curated import Columns, Curated
from gleann.service.jobs.curation.duplicates_tables import METRIC, array_of, ids_of
from gleann.service.jobs.curation.shelf import Shelf
from gleann.v1 import curation_pb2


def curated_of(found: Leakage) -> Curated:
    """The tables of an audit, from which `stored` restores it."""
    return Curated(
        summary=found.summary(),
        provenance={**found.provenance, METRIC: found.metric},
        tables={
            "rows": found.table().columns,
            "pairs": {
                "id": take_ids(found.held_ids, found.pairs.rows),
                "reference_id": take_ids(found.reference_ids, found.pairs.others),
                "distance": found.pairs.distances,
            },
            "groups": _groups(found),
            "histogram": _histogram(found),
        },
    )


def stored(shelf: Shelf, name: str, *, provenance: dict[str, object]) -> Leakage:
    """The audit of a stored curation, whose rows are those that were audited.

    Args:
        shelf: the stored curations.
        name: of one whose tables `curated_of` made.
        provenance: of it.
    """
    rows, pairs = shelf.table(name, "rows"), shelf.table(name, "pairs")
    words = shelf.table(name, "groups").column("group").combine_chunks()
    numbers = pa.compute.index_in(rows.column("group"), words)
    counts = array_of(rows, "pairs")
    params: dict[str, float] = provenance["params"]  # type: ignore[assignment]
    metric: Metric = provenance[METRIC]  # type: ignore[assignment]
    # The training rows are numbered as the tables name them, so an id comes often.
    reference_ids = joined_ids([ids_of(rows, "nearest"), ids_of(pairs, "reference_id")])
    return Leakage(
        radius=float(params["radius"]),
        metric=metric,
        rows=np.arange(len(rows)),
        held_ids=ids_of(rows, "id"),
        reference_ids=reference_ids,
        nearest=np.arange(len(rows)),
        distances=array_of(rows, "distance", np.float32),
        pair_counts=counts,
        pairs=LeakedPairs(
            rows=np.repeat(np.arange(len(rows)), counts),
            others=len(rows) + np.arange(len(pairs)),
            distances=array_of(pairs, "distance", np.float32),
        ),
        pairs_complete=True,
        groups=tuple(words.to_pylist()),
        group_numbers=numbers.to_numpy().astype(np.int64),
        edges=_edges(shelf.table(name, "histogram")),
        provenance={k: x for k, x in provenance.items() if k != METRIC},
    )


def listed_pairs(described: curation_pb2.Curation) -> int:
    """Lines of the table of pairs of a stored audit."""
    return next(one.rows for one in described.tables if one.name == "pairs")


def _edges(histogram: pa.Table) -> NDArray[np.float64]:
    """The edges (bins + 1,) of the histograms, which all groups share."""
    low, high = (array_of(histogram, name, np.float64) for name in ("low", "high"))
    return np.append(np.unique(low), high.max())


def _groups(found: Leakage) -> Columns:
    groups = found.by_group()
    return {
        "group": np.array([str(one.group) for one in groups], object),
        "rows": np.array([one.rows for one in groups], np.int64),
        "leaked": np.array([one.leaked for one in groups], np.int64),
        "share": np.array([one.share for one in groups]),
        "median": np.array([one.median for one in groups]),
    }


def _histogram(found: Leakage) -> Columns:
    """One line per group and bin."""
    groups, bins = found.by_group(), len(found.edges) - 1
    names = [str(one.group) for one in groups for _ in range(bins)]
    counts = [count for one in groups for count in one.histogram]
    return {
        "group": np.array(names, object),
        "low": np.tile(found.edges[:-1], len(groups)),
        "high": np.tile(found.edges[1:], len(groups)),
        "rows": np.array(counts, np.int64),
    }
