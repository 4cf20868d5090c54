"""The table of curation methods, by their names in `CreateCurationJobRequest`."""

from collections.abc import Mapping

from gleann.service.jobs.curation import join, near_duplicates, rethreshold
from gleann.service.jobs.curation.work import Method

METHODS: Mapping[str, Method] = {
    "join": join.METHOD,
    "near_duplicates": near_duplicates.METHOD,
    "rethreshold": rethreshold.METHOD,
}
"""One line a method, in the order of their names."""
