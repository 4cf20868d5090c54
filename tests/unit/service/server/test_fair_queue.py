"""`FairQueue`: clients take turns by the work that they ask for."""

import numpy as np
import pytest

from gleann.service.server.queues.fair_queue import KEPT_SHARES, FairQueue


def _taken(queue: FairQueue[str], count: int) -> list[str]:
    found = [queue.take() for _ in range(count)]
    return [client for client, _ in filter(None, found)]


def test_a_client_with_many_items_takes_turns_with_one_of_few() -> None:
    queue: FairQueue[str] = FairQueue()
    for number in range(1000):
        queue.add("many", f"m{number}", work=1)
    queue.add("few", "f0", work=1)
    queue.add("few", "f1", work=1)
    order = [queue.take() for _ in range(6)]
    assert [item for _, item in filter(None, order)][:2] == ["m0", "f0"]
    assert _taken(FairQueue(), 1) == []
    assert [client for client, _ in filter(None, order)].count("few") == 2
    assert (len(queue), queue.work) == (996, 996)


def test_turns_are_of_equal_work_not_of_equal_count() -> None:
    queue: FairQueue[str] = FairQueue()
    for _ in range(10):
        queue.add("large", "l", work=10)
    for _ in range(100):
        queue.add("small", "s", work=1)
    assert _taken(queue, 55).count("large") == 5


def test_items_of_a_client_keep_their_order() -> None:
    queue: FairQueue[int] = FairQueue()
    rng = np.random.default_rng(0)
    for number in range(300):
        queue.add(f"c{rng.integers(7)}", number, work=float(rng.integers(1, 9)))
    items: dict[str, list[int]] = {}
    while (found := queue.take()) is not None:
        items.setdefault(found[0], []).append(found[1])
    assert sum(map(len, items.values())) == 300
    assert all(numbers == sorted(numbers) for numbers in items.values())
    assert queue.work == 0


def test_who_comes_back_does_not_make_up_for_idle_time() -> None:
    queue: FairQueue[str] = FairQueue()
    for _ in range(100):
        queue.add("busy", "b", work=1)
    _taken(queue, 50)
    for _ in range(100):
        queue.add("new", "n", work=1)
    assert _taken(queue, 20).count("new") == 10


def test_an_item_is_behind_as_much_work_of_others_as_its_own() -> None:
    queue: FairQueue[str] = FairQueue()
    for _ in range(100):
        queue.add("many", "m", work=1)
    assert queue.work_before("new", work=1) == 1
    assert queue.work_before("many", work=1) == 100
    queue.add("new", "n", work=3)
    assert queue.work_before("new", work=1) == 3 + 4


def test_dropped_items_give_up_their_turns() -> None:
    queue: FairQueue[int] = FairQueue()
    for number in range(10):
        queue.add("a", number, work=1)
    queue.add("b", 100, work=1)
    dropped = queue.drop(lambda item: item == 100 or item % 2 == 0)
    assert dropped == [("a", 0), ("a", 2), ("a", 4), ("a", 6), ("a", 8), ("b", 100)]
    assert [found[1] for found in iter(queue.take, None)] == [1, 3, 5, 7, 9]
    assert (len(queue), queue.work) == (0, 0)


@pytest.mark.parametrize("clients", [10, 4 * KEPT_SHARES])
def test_clients_without_items_are_forgotten(clients: int) -> None:
    queue: FairQueue[int] = FairQueue()
    queue.add("stays", 0, work=1e9)
    queue.add("stays", 1, work=1)
    assert queue.take() == ("stays", 0)
    for number in range(clients):
        queue.add(f"c{number}", number, work=1)
        queue.take()
    assert queue.idle_clients <= KEPT_SHARES
