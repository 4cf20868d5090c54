"""The table of curation methods, by their names in `CreateCurationJobRequest`."""

from collections.abc import Mapping

from gleann.service.jobs.curation import (
    allocate_labels,
    audit,
    epoch_plan,
    for_target,
    join,
    leakage,
    mine_negatives,
    near_duplicates,
    propagate,
    rethreshold,
    similarity_split,
)
from gleann.service.jobs.curation.work import Method

METHODS: Mapping[str, Method] = {
    "allocate_labels": allocate_labels.METHOD,
    "audit": audit.METHOD,
    "epoch_plan": epoch_plan.METHOD,
    "for_target": for_target.METHOD,
    "join": join.METHOD,
    "leakage": leakage.METHOD,
    "mine_negatives": mine_negatives.METHOD,
    "near_duplicates": near_duplicates.METHOD,
    "propagate": propagate.METHOD,
    "rethreshold": rethreshold.METHOD,
    "similarity_split": similarity_split.METHOD,
}
"""One line a method, in the order of their names."""
