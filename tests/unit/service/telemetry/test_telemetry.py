"""What is counted: cheap, from any thread, and with few labels."""

import threading
from timeit import repeat

import pytest

from gleann.index.found import SearchStats
from gleann.service.telemetry.labels import OTHER, IndexLabels
from gleann.service.telemetry.telemetry import Telemetry

METHOD = "/gleann.v1.SearchService/Search"
STATS = SearchStats("native/avx2", 8, 100, 8, 1000, 60, 50, 0, 0.95, False)
MOST_SECONDS = 3e-6


@pytest.mark.alone
@pytest.mark.parametrize("what", ["call_ended", "searched", "scanned", "committed"])
def test_counting_is_cheap(what: str) -> None:
    """The best of many runs: others share the machine."""
    one = Telemetry()
    count = {
        "call_ended": lambda: one.call_ended(METHOD, "OK", 0.003),
        "searched": lambda: one.searched("words", 1, 0.001, STATS),
        "scanned": lambda: one.scanned(8, 3),
        "committed": lambda: one.committed(3, 0.004),
    }[what]
    count()
    assert min(repeat(count, number=2000, repeat=25)) / 2000 < MOST_SECONDS


def test_threads_lose_no_count() -> None:
    one = Telemetry()

    def work() -> None:
        for _ in range(2000):
            one.call_ended(METHOD, "OK", 0.003)
            one.searched("words", 2, 0.001, STATS)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert one.calls[METHOD, "OK"].count == 8000
    counts = one.indexes()["words"]
    assert (counts.searches, counts.queries, counts.entries) == (
        8000,
        16_000,
        8_000_000,
    )


def test_recall_is_of_all_places() -> None:
    one = Telemetry()
    assert one.index_counts("words").probed_recall is None
    one.probed("words", queries=1, hits=9, places=10)
    one.probed("words", queries=1, hits=10, places=10)
    assert one.index_counts("words").probed_recall == 0.95
    assert one.index_counts("words").probed == 2


def test_indexes_beyond_the_most_share_a_label() -> None:
    one = Telemetry(most_indexes=2)
    for name in ("a", "b", "c", "d"):
        one.searched(name, 1, 0.001, STATS)
    assert set(one.indexes()) == {"a", "b", OTHER}
    assert one.index_counts("d").queries == 2
    one.forget("a")
    one.searched("e", 1, 0.001, STATS)
    assert set(one.indexes()) == {"b", "e", OTHER}


@pytest.mark.parametrize("name", ['a"} 1\nup{x="', "A", "", "-a", "a" * 64, "ä"])
def test_what_is_no_name_of_an_index_is_no_label(name: str) -> None:
    assert IndexLabels(10).label_of(name) == OTHER
