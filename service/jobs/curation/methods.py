"""The table of curation methods, by their names in `CreateCurationJobRequest`."""

from collections.abc import Mapping

from gleann.service.jobs.curation import (
    allocate_labels,
    audit,
    join,
    near_duplicates,
    propagate,
    rethreshold,
)
from gleann.service.jobs.curation.work import Method

METHODS: Mapping[str, Method] = {
    "allocate_labels": allocate_labels.METHOD,
    "audit": audit.METHOD,
    "join": join.METHOD,
    "near_duplicates": near_duplicates.METHOD,
    "propagate": propagate.METHOD,
    "rethreshold": rethreshold.METHOD,
}
"""One line a method, in the order of their names."""
