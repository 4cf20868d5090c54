"""The table of curation methods, by their names in `CreateCurationJobRequest`."""

from collections.abc import Mapping

from gleann.service.jobs.curation import (
    epoch_plan,
    for_target,
    join,
    mine_negatives,
    near_duplicates,
    rethreshold,
)
from gleann.service.jobs.curation.work import Method

METHODS: Mapping[str, Method] = {
    "epoch_plan": epoch_plan.METHOD,
    "for_target": for_target.METHOD,
    "join": join.METHOD,
    "mine_negatives": mine_negatives.METHOD,
    "near_duplicates": near_duplicates.METHOD,
    "rethreshold": rethreshold.METHOD,
}
"""One line a method, in the order of their names."""
