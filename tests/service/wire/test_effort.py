"""Searches by effort through a client: the answers and the work of the library."""

from collections.abc import Callable

import numpy as np
import pytest

import gleann
from gleann.index import BuildParams, SearchParams, SoarIndex, errors
from gleann.service.search.task import SearchTask
from gleann.service.views.delta import Delta
from gleann.service.views.live_index import View
from gleann.service.wire.index_messages import search_params_of, search_params_to_wire
from gleann.v1 import search_pb2

PARAMS = BuildParams(metric="l2", nlist=400, spill="soar")
ASKED = {"k": 10, "target_recall": 0.98}
BY_QUERY = SearchParams(effort="by_query", **ASKED)


@pytest.mark.slow
def test_a_served_index_is_searched_by_effort(
    client: gleann.Client, mixed: Callable[[int], np.ndarray]
) -> None:
    rows, queries = mixed(12_000), mixed(300)
    client.create_index("mixed", dim=rows.shape[1], metric="l2")
    client.upsert("mixed", np.arange(len(rows)), rows)
    client.build("mixed", PARAMS).wait(timeout=300)
    here = SoarIndex.build(rows, PARAMS)
    found, want = (
        client.search("mixed", queries, BY_QUERY),
        here.search(queries, BY_QUERY),
    )
    np.testing.assert_array_equal(found.ids, want.ids)
    np.testing.assert_array_equal(found.distances, want.distances)
    assert found.stats == want.stats
    even = client.search("mixed", queries, SearchParams(**ASKED))
    assert even.stats.lists_probed == even.stats.nprobe * len(queries)
    assert found.stats.entries_scanned < 0.95 * even.stats.entries_scanned
    # Newer vectors are searched with one number of lists for all.
    client.upsert("mixed", np.array([99_999]), queries[:1])
    newer = client.search("mixed", queries, BY_QUERY)
    assert newer.ids[0, 0] == 99_999
    assert newer.stats.lists_probed == newer.stats.nprobe * len(queries)


def test_an_earlier_server_is_sent_no_effort_that_is_usual() -> None:
    assert not search_params_to_wire(SearchParams()).HasField("effort")


def test_effort_travels() -> None:
    message = search_params_to_wire(BY_QUERY)
    assert message.effort == search_pb2.EFFORT_BY_QUERY
    read = search_params_of(message)
    assert (read.effort, read.k, read.target_recall) == ("by_query", 10, 0.98)
    assert search_params_of(search_pb2.SearchParams()).effort == "even"


def test_an_unknown_effort_is_refused() -> None:
    with pytest.raises(errors.InvalidParamsError, match="Effort has no value 7"):
        search_params_of(search_pb2.SearchParams(effort=7))


def test_searches_of_other_effort_are_not_merged() -> None:
    view = View(number=1, name="v", dim=8, metric="l2", delta=Delta(8))
    queries = np.zeros((1, 8), np.float32)
    keys = [
        SearchTask(view=view, queries=queries, params=params).merge_key()
        for params in (SearchParams(**ASKED), BY_QUERY, SearchParams(**ASKED))
    ]
    assert keys[0] == keys[2] != keys[1]
