"""The table of curation methods, by their names in `CreateCurationJobRequest`."""

from collections.abc import Mapping

from gleann.service.jobs.curation import (
    join,
    leakage,
    near_duplicates,
    rethreshold,
    similarity_split,
)
from gleann.service.jobs.curation.work import Method

METHODS: Mapping[str, Method] = {
    "join": join.METHOD,
    "leakage": leakage.METHOD,
    "near_duplicates": near_duplicates.METHOD,
    "rethreshold": rethreshold.METHOD,
    "similarity_split": similarity_split.METHOD,
}
"""One line a method, in the order of their names."""
