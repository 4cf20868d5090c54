"""Who waits for CPUs that others have says so, and gives up at a stated time."""

from collections.abc import Sequence
from itertools import count

import pytest

from gleann.index.errors import UnavailableError
from gleann.service.cluster import room
from gleann.service.cluster.room import Patience, wait_for_workers


class Busy:
    """A Ray of four CPUs, of which one is free; a worker starts at each look."""

    def __init__(self, *, looks: int) -> None:
        self._looks = looks
        self.looked = 0

    def wait(
        self, waiting: Sequence[str], *, num_returns: int, timeout: float
    ) -> tuple[list[str], list[str]]:
        assert num_returns == len(waiting)
        assert timeout == room.LOOK_SECONDS
        self.looked += 1
        started = self.looked >= self._looks
        return list(waiting[:started]), list(waiting[started:])

    def available_resources(self) -> dict[str, float]:
        return {"CPU": 1.0, "memory": 3.0}

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": 4.0}


@pytest.fixture(autouse=True)
def _a_second_a_look(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = count()
    monkeypatch.setattr(room, "monotonic", lambda: float(next(seconds)))


def test_workers_that_start_are_waited_for_in_silence() -> None:
    said: list[str] = []
    busy = Busy(looks=1)
    wait_for_workers(busy, ["a", "b", "c"], Patience(said=5, most=9, tell=said.append))
    assert busy.looked == 3
    assert not said
    wait_for_workers(busy, [], Patience(tell=said.append))
    assert busy.looked == 3


def test_after_some_seconds_it_is_said_once_what_is_waited_for() -> None:
    said: list[str] = []
    busy = Busy(looks=9)
    wait_for_workers(busy, ["a", "b"], Patience(said=4, most=60, tell=said.append))
    assert busy.looked == 10
    assert said == [
        "2 of 2 workers have not started: 1 of 4 CPUs of the cluster are free, and each"
        " worker needs one; another command may have the others; waiting for up to 60"
        " seconds"
    ]


def test_at_a_stated_time_it_is_given_up() -> None:
    busy = Busy(looks=5)
    with pytest.raises(
        UnavailableError, match=r"1 of 2 workers .* 1 of 4 CPUs .* after 4\.5 seconds"
    ):
        wait_for_workers(busy, ["a", "b"], Patience(said=9, most=4.5))
    assert busy.looked == 5
