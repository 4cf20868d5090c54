"""The statistics of a search travel whole; those of an older server have defaults."""

import pytest

from gleann.index import SearchStats
from gleann.index.found import sum_stats
from gleann.service.wire.index_messages import stats_of, stats_to_wire
from gleann.v1 import search_pb2

STATS = SearchStats("native/avx2", 8, 100, 8, 1000, 60, 50, 3, 0.95, False, 0.9, 0.97)


@pytest.mark.parametrize("covered", [1.0, 0.6, 0.0])
def test_all_fields_come_back(covered: float) -> None:
    stats = STATS._replace(covered=covered)
    packed = stats_to_wire(stats).SerializeToString()
    assert stats_of(search_pb2.SearchStats.FromString(packed)) == stats


def test_what_covers_all_takes_no_byte() -> None:
    message = stats_to_wire(STATS)
    assert not message.HasField("covered")
    assert stats_of(message).covered == 1


def test_several_answers_cover_what_the_least_does() -> None:
    several = [STATS, STATS._replace(covered=0.6), STATS._replace(covered=0.8)]
    assert sum_stats(several).covered == 0.6
    assert sum_stats(several).entries_scanned == 3000
