"""The table of curation methods, by their names in `CreateCurationJobRequest`."""

from collections.abc import Mapping

from gleann.service.jobs.curation import (
    epoch_plan,
    for_target,
    join,
    leakage,
    mine_negatives,
    near_duplicates,
    rethreshold,
    similarity_split,
)
from gleann.service.jobs.curation.work import Method

METHODS: Mapping[str, Method] = {
    "epoch_plan": epoch_plan.METHOD,
    "for_target": for_target.METHOD,
    "join": join.METHOD,
    "leakage": leakage.METHOD,
    "mine_negatives": mine_negatives.METHOD,
    "near_duplicates": near_duplicates.METHOD,
    "rethreshold": rethreshold.METHOD,
    "similarity_split": similarity_split.METHOD,
}
"""One line a method, in the order of their names."""
